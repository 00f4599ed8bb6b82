"""What the run before wrote down: which files need not be read again, because neither store has changed since."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from ait42nb import __version__, database
from ait42nb.engine import sql
from ait42nb.home import digest

if TYPE_CHECKING:
    from ait42nb.pipeline import Run

# A file may change once more within the tick of the clock in which it was read.
TICK_SECONDS = 2


@dataclass(frozen=True)
class Record:
    """A file as a run found it. `settled`: its books, if nothing has changed since. `known`: the database has not."""

    source_path: str
    workspace_hash: str
    workspace_path: str | None
    size_bytes: int | None
    mtime_ns: int | None
    sha256: str | None
    settled: dict[str, dict[str, int]] | None
    run_id: str
    known: bool


@dataclass(frozen=True)
class Recalled:
    """Every file on record, who claims which session, what is not in the main tables, and the last write's number.

    claims: (source_path, session_id); rejects: as `stage/kept` has them
    """

    files: Mapping[str, Record] = field(default_factory=dict)
    claims: Sequence[tuple[str, str]] = ()
    rejects: Sequence[tuple] = ()
    last_touch: int = 0

    def related(self, changed: Iterable[str], ids: Iterable[str]) -> set[str]:
        """The files on record that share a session with others, by way of further files too.

        changed: source paths of files that are read, or gone; ids: the session ids that stand in them now
        """
        ids_of, files_of = defaultdict(set), defaultdict(set)
        for source_path, session_id in self.claims:
            ids_of[source_path].add(session_id)
            files_of[session_id].add(source_path)
        found: set[str] = set()
        waiting = {session_id for path in changed for session_id in ids_of[path]} | set(ids)
        while waiting:
            more = {path for session_id in waiting for path in files_of[session_id]} - found
            found |= more
            waiting = {session_id for path in more for session_id in ids_of[path]} - waiting
        return found


def recall_last_run(run: Run) -> Recalled:
    """Ask the database what is on record; what cannot be asked is read anew.

    Returns: nothing on record where there is no database of this version yet, and under `reread`
    Raises:  DatabaseRefused, DatabaseLocked
    Rule:    again is nothing (invariant 8): a file is skipped only if nothing about it, or about its sessions in the
             database, has changed, and its path is proven by its hash
    """
    live = run.home.database
    if run.settings.reread or database.inspect_database(live).kind != "ours":
        return Recalled()
    opened = database.open_readonly if run.settings.dry_run else database.open_existing
    with closing(opened(live)) as connection, database.driver_errors(live):
        if database.check_migrations(connection):
            return Recalled()
        connection.execute("begin")  # all of one moment
        (last_touch,) = connection.execute(sql("recall/last_touch")).fetchone()
        rows = connection.execute(sql("recall/files"), {"kit_version": __version__}).fetchall()
        claims = connection.execute(sql("recall/claims")).fetchall()
        rejects = connection.execute(sql("stage/kept")).fetchall()
    return Recalled({row[0]: _record(*row) for row in rows}, claims, rejects, last_touch)


def _record(
    source_path: str,
    workspace_hash: str,
    workspace_path: str | None,
    size_bytes: int | None,
    mtime_ns: int | None,
    sha256: str | None,
    settled: str | None,
    run_id: str,
    known: int,
) -> Record:
    proven = workspace_path is not None and digest(workspace_path) == workspace_hash
    rested = mtime_ns is not None and mtime_ns / 1e9 < _moment(run_id) - TICK_SECONDS
    books = json.loads(settled) if settled else None
    return Record(
        source_path, workspace_hash, workspace_path, size_bytes, mtime_ns, sha256, books, run_id,
        known=bool(known and proven and rested and books is not None),
    )  # fmt: skip


def _moment(run_id: str) -> float:
    return datetime.strptime(run_id[:16], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC).timestamp()
