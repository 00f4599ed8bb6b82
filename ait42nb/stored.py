"""What is stored already: a private snapshot of the database, which all planning reads instead of the live file."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ait42nb import database
from ait42nb.adopt import adopt_database
from ait42nb.backup import snapshot
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
