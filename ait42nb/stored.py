"""What is stored already: a private snapshot of the database, which all planning reads instead of the live file."""

from __future__ import annotations

import json
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ait42nb import database
from ait42nb.adopt import adopt_database
from ait42nb.backup import CONTENT, snapshot
from ait42nb.engine import sql
from ait42nb.errors import DatabaseRefused
from ait42nb.home import require_space
from ait42nb.inventory import Inventory

if TYPE_CHECKING:
    from ait42nb.pipeline import Run


@dataclass(frozen=True)
class Stored:
    """The snapshot, in the kit's schema; an empty one where there is no database yet, or nothing to plan against it.

    `kind` as in DatabaseState; `planned` tells whether it is what a merge is planned against.
    """

    path: Path
    kind: str
    planned: bool = True

    @property
    def exists(self) -> bool:
        return self.kind != "none"


def take_snapshot(run: Run) -> Stored:
    """Copy the database that there is, consistently, while others use it; a copy of the guide's is adopted.

    A real run that leaves most files alone copies what concerns the others, in one read transaction.

    Makes:  {work}/stored.db
    Raises: DatabaseRefused, when it is not ours to merge into, is newer, or is damaged; DatabaseLocked; DiskFull
    Rule:   neither DuckDB nor a plain open() ever touches the live file
    """
    live, copy = run.home.database, run.work / "stored.db"
    state = database.inspect_database(live)
    if state.kind == "none" or run.get(Inventory).nothing_changed:
        database.create(copy).close()
        return Stored(copy, state.kind, planned=False)
    if state.kind in ("foreign", "damaged"):
        raise DatabaseRefused(
            live, state.reason, "It was left untouched; move it away, or restore a backup with rollback.ipynb"
        )
    if run.get(Inventory).unchanged and not run.settings.dry_run:
        _copy_part(live, copy, run.get(Inventory).ids)
        return Stored(copy, state.kind)
    require_space(run.work, 3 * live.stat().st_size)
    snapshot(live, copy, untouched=run.settings.dry_run)
    try:
        if state.kind == "guide":
            adopt_database(copy)
        with closing(database.connect(copy)):
            pass  # brings an older schema up to date, and refuses what cannot be
    except DatabaseRefused as error:
        raise DatabaseRefused(error.where.replace(str(copy), str(live)), error.problem, error.remedy) from error
    return Stored(copy, state.kind)


def _copy_part(live: Path, copy: Path, ids: Iterable[str]) -> None:
    with closing(database.create(copy)) as connection:
        triggers, indexes = database.drop_triggers(connection), database.drop_indexes(connection)
    with closing(database.open_existing(live)) as connection, database.driver_errors(live):
        connection.execute("pragma foreign_keys = off")  # other sessions' messages come without their session
        connection.execute("attach $copy as part", {"copy": str(copy)})
        connection.execute("pragma part.journal_mode = off")
        connection.execute("pragma part.synchronous = off")
        connection.execute("begin")
        for table in CONTENT:
            connection.execute(sql(f"stored/{table}"), {"ids": json.dumps(list(ids))})
        connection.execute("commit")
    with closing(database.open_staging(copy)) as connection, database.driver_errors(copy):
        database.run_statements(connection, indexes)
        database.fill_search(connection)
        database.run_statements(connection, triggers)
