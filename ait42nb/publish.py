"""The staging file becomes the database: by an atomic rename where there is none yet."""

from __future__ import annotations

import ctypes
import errno
import json
import os
import sys
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ait42nb import __version__, database
from ait42nb import engine as duck
from ait42nb.errors import DatabaseRefused
from ait42nb.home import give_to_owner, sync_folder
from ait42nb.inventory import Inventory
from ait42nb.mapping import Mapped
from ait42nb.read import Documents
from ait42nb.stage import Staged
from ait42nb.summary import outcome, summarize
from ait42nb.verify import Verified

if TYPE_CHECKING:
    from ait42nb.pipeline import Run


@dataclass(frozen=True)
class Published:
    """Where the database lies, and whether it was written; not in a dry run."""

    database: Path
    written: bool


def publish_database(run: Run) -> Published:
    """Let the staging file take its place.

    Raises: DatabaseRefused, when something lies where the database or its side files go
    Rule:   all or nothing (invariant 6); a dry run writes nothing (invariant 4)
    """
    staged = run.get(Staged).path
    _write_books(run, staged)
    if run.settings.dry_run:
        return Published(run.home.database, written=False)
    _make_durable(staged)
    _refuse_strays(run.home.database)
    give_to_owner(staged, run.home.path)
    rename_without_overwriting(staged, run.home.database)
    sync_folder(run.home.path)
    return Published(run.home.database, written=True)


def _write_books(run: Run, staged: Path) -> None:
    """What the run says of itself, in the same file as the data."""
    books = run.get(Verified).balance
    with closing(database.open_staging(staged)) as connection, database.driver_errors(staged):
        connection.execute("begin")
        for row in _files(run):
            kinds = books.files.get(row["source_path"])
            row["balance"] = kinds and json.dumps(kinds)
            for kind in ("sessions", "instances", "messages"):
                row[kind] = kinds[kind]["source"] if kinds else 0
            connection.execute(duck.sql("publish/insert_file"), row)
        connection.execute(
            duck.sql("publish/insert_run"),
            {
                "run_id": run.run_id,
                "kind": "migrate",
                "started_at": run.started_at,
                "kit_version": __version__,
                "outcome": outcome(run),
                "summary": json.dumps(summarize(run)),
            },
        )
        connection.execute("commit")


def _files(run: Run):
    mapped, readings = run.get(Mapped), run.get(Documents).readings
    for file in run.get(Inventory).files:
        workspace = mapped[file.workspace_hash] if file.state == "read" else None
        reading = readings.get(file.file_no)
        state = reading.state if reading else file.state
        if state == "read" and workspace.state != "mapped":
            state = workspace.state
        yield {
            "source_path": file.source_path,
            "workspace_hash": file.workspace_hash,
            "workspace_path": workspace.workspace_path if workspace and workspace.state == "mapped" else None,
            "state": state,
            "size_bytes": file.size_bytes,
            "mtime_ns": file.mtime_ns,
            "sha256": file.sha256,
            "run_id": run.run_id,
            "detail": file.detail or (reading and reading.detail),
        }


def _make_durable(staged: Path) -> None:
    """Switch the file to WAL, in which it will be used, and see it on the disk as a whole."""
    with closing(database.open_staging(staged)) as connection, database.driver_errors(staged):
        connection.execute("pragma journal_mode = wal")
    if left := database.side_files(staged):
        raise DatabaseRefused(staged, f"{left[0].name} was left beside it", "Nothing was published; run again")
    handle = os.open(staged, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _refuse_strays(path: Path) -> None:
    """SQLite would replay the log of a database that is gone into the new one."""
    if strays := database.side_files(path):
        raise DatabaseRefused(
            path,
            f"{', '.join(s.name for s in strays)} of a former database lies where the new one goes",
            "Move it away (SQLite would replay it into the new database) and run again",
        )


def rename_without_overwriting(source: Path, target: Path) -> None:
    """Rename, atomically, and only if there is no target.

    Raises: DatabaseRefused, when there is one
    """
    try:
        if not _renameat2(source, target):
            os.link(source, target, follow_symlinks=False)
            source.unlink()
    except FileExistsError as error:
        raise DatabaseRefused(
            target, "it has appeared during the run", "Nothing was overwritten; run again, it will be merged"
        ) from error


def _renameat2(source: Path, target: Path) -> bool:
    """Linux's rename that never overwrites; False where there is none (then a hard link does the same)."""
    if sys.platform != "linux":
        return False
    at_cwd, no_replace = -100, 1
    rename = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if rename is None:
        return False
    if rename(at_cwd, os.fsencode(source), at_cwd, os.fsencode(target), no_replace) == 0:
        return True
    code = ctypes.get_errno()
    if code == errno.EEXIST:
        raise FileExistsError(code, os.strerror(code), str(target))
    return False
