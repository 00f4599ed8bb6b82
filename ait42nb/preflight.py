"""Whether a run can work here, and what it will meet: looked at before anything is read, in the manner of a survey.

Cheap: names, sizes and rights, the beginnings of the files, and what the database says of itself.
"""

from __future__ import annotations

import os
import platform
import re
import shutil
import sqlite3
import stat
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb

from ait42nb import __version__, database
from ait42nb.display import Step, Steps, counted, size
from ait42nb.engine import sql
from ait42nb.errors import Ait42Error, DatabaseLocked, EngineError, HomeError, SettingsError
from ait42nb.home import require_space
from ait42nb.inventory import SPACE_FACTOR
from ait42nb.mapping import find_at_once
from ait42nb.redact import error_words, hidden

if TYPE_CHECKING:
    from ait42nb.pipeline import Run

# Where FTS5 has its trigram tokenizer.
OLDEST_SQLITE = (3, 34)
# Measured from start to publication on two cores; a run tells its own pace in its summary.
BYTES_A_SECOND = 8e6
SECONDS_AT_LEAST = 3
# A file that was written so recently belongs to an editor that runs.
RECENT = 120
_HASH = re.compile(r"[0-9a-f]{16}\.json")


@dataclass
class Found:
    """What one look leaves for the next."""

    files: dict[Path, os.stat_result] = field(default_factory=dict)
    database_size: int = 0

    @property
    def size(self) -> int:
        return sum(status.st_size for status in self.files.values())


def assess(run: Run) -> Steps:
    """Look at everything that could stop the run, or that a person should know before it.

    Returns: a checklist; each line is good, a warning or blocking, with what to do about it
    Rule:    a blocking line means that the run has failed already, with that sentence
    """
    steps, told = [], set()

    def block(error: Ait42Error) -> None:
        run.failure = run.failure or error
        run.told = True
        where, problem, remedy = error_words(error, run.settings.redact, run.home.path)
        if (where, problem) not in told:
            told.add((where, problem))
            steps.append(Step("blocking", f"{where}: {problem}", f"{remedy}."))

    if run.failure:
        block(run.failure)
    found = Found()
    for look in () if isinstance(run.failure, SettingsError | HomeError) else LOOKS:
        try:
            steps.extend(look(run, found))
        except Ait42Error as error:
            block(error)
        except OSError as error:
            block(HomeError(error.filename or run.home.path, (error.strerror or "").lower(), "Look at its permissions"))
    return Steps(steps)


def _home(run: Run, _: Found) -> Iterator[Step]:
    run.home.require(writable=not run.settings.dry_run)
    where = hidden(str(run.home.path), run.settings.redact)
    can = "can be read; nothing will be written to it" if run.settings.dry_run else "can be read and written"
    yield Step("good", f"The home {where} {can}")
    owner = run.home.path.stat().st_uid
    if os.geteuid() not in (0, owner):
        yield Step(
            "warning",
            "The home belongs to another user",
            "What a run writes is private to you, so that its owner could not open it: run as the owner, or as root.",
        )


def _files(run: Run, found: Found) -> Iterator[Step]:
    refused, odd = 0, 0
    with os.scandir(run.home.sessions) if run.home.sessions.is_dir() else closing(iter(())) as entries:
        for entry in entries:
            if not entry.name.endswith(".json"):
                continue
            path = Path(entry.path)
            try:
                status = path.stat()
            except OSError:
                refused += 1
                continue
            if not stat.S_ISREG(status.st_mode) or not os.access(path, os.R_OK):
                refused += 1
                continue
            found.files[path] = status
            odd += not _HASH.fullmatch(entry.name)
    if not found.files:
        yield Step("warning", "There are no session files", "Is this the editor's folder? It holds sessions/*.json.")
        return
    largest = max(status.st_size for status in found.files.values())
    yield Step("good", f"{counted(len(found.files), 'session file')}, {size(found.size)}, the largest {size(largest)}")
    if refused:
        yield Step(
            "warning",
            f"{counted(refused, 'entry', 'entries')} of sessions/ cannot be read",
            "Held back as unreadable: give yourself the right (chmod u+r), or move away what is no file.",
        )
    if odd:
        yield Step(
            "warning",
            f"{counted(odd, 'file')} not named for a hash",
            "No folder can be proven for such a file: held back unless you accept one.",
        )
    now = time.time()
    if recent := sum(now - status.st_mtime < RECENT for status in found.files.values()):
        yield Step(
            "warning",
            f"{counted(recent, 'file')} written within the last {RECENT // 60} minutes: the editor seems to run",
            "That does no harm; what it writes after this run goes in with the next one.",
        )


def _database(run: Run, found: Found) -> Iterator[Step]:
    path, dry_run = run.home.database, run.settings.dry_run
    state = database.inspect_database(path)
    strays = database.side_files(path)
    if state.kind == "none":
        if strays:
            problem = f"{', '.join(side.name for side in strays)} of a former database lies where the new one goes"
            remedy = "Move it away: SQLite would replay it into the new database"
            if not dry_run:
                raise database.DatabaseRefused(path, problem, remedy)
            yield Step("warning", problem, f"{remedy}.")
        yield Step("good", "There is no database yet; it will be made")
        return
    if state.kind in ("foreign", "damaged"):
        remedy = "It is left untouched: move it away, or restore a backup with rollback.ipynb"
        raise database.DatabaseRefused(path, state.reason, remedy)
    found.database_size = path.stat().st_size
    holders = database.holders(path)
    if state.kind == "ours":
        with closing(database.open_readonly(path)) as connection, database.driver_errors(path):
            database.check_migrations(connection)
            sessions, unfinished = connection.execute(sql("preflight/stored")).fetchone()
        yield Step("good", f"The database holds {counted(sessions, 'session')}; this run merges into it")
        if unfinished:
            yield Step("warning", f"{counted(unfinished, 'earlier run')} cut off", "This run finishes what is left.")
        if holders:
            yield Step("good", f"The database is open elsewhere ({'; '.join(holders)}); the merge locks it briefly")
    elif state.kind == "guide":
        words = "The database was not made by ait42nb; this run adopts it"
        if holders and not dry_run:
            problem = f"it must be adopted, and is open elsewhere ({'; '.join(holders)})"
            raise DatabaseLocked(path, problem, "Close the editor and run again; nothing was written")
        if holders:
            yield Step("warning", f"{words}, but it is open elsewhere", "Close the editor before the real run.")
        else:
            yield Step("good", words)
    else:
        yield Step("good", "The database is empty; it will be filled")


def _space(run: Run, found: Found) -> Iterator[Step]:
    folder = run.work or run.home.path
    needed = SPACE_FACTOR * found.size + 3 * found.database_size
    require_space(folder, needed)
    where = "in the folder for temporary files" if run.settings.dry_run else "in the home"
    free = shutil.disk_usage(folder).free
    yield Step("good", f"{size(free)} are free {where}, at most {size(needed)} will be needed for a while")


def _leftovers(run: Run, _: Found) -> Iterator[Step]:
    left = sorted(folder.name for folder in {*run.home.cleared, *run.home.leftovers()} - {run.work})
    if left and not (run.failure and run.work is None):  # or it may be the folder of the run that has the lock
        yield Step(
            "warning",
            f"{counted(len(left), 'work folder')} of a run that was killed: {', '.join(left)}",
            "A real run clears it away." if run.settings.dry_run else "This run has cleared it away.",
        )


def _workspaces(run: Run, found: Found) -> Iterator[Step]:
    hashes = {path.name.removesuffix(".json") for path, status in found.files.items() if status.st_size}
    if not hashes:
        return
    missing = len(hashes) - len(find_at_once(run, hashes, found.files))
    if not missing:
        yield Step("good", "The workspace of every file is known")
        return
    looked = "the whole files and search_roots" if run.settings.search_roots else "the whole files"
    fails = run.settings.on_unmapped == "fail"
    yield Step(
        "warning" if fails or missing == len(hashes) else "good",
        f"The workspaces of {len(hashes) - missing:,} of {counted(len(hashes), 'file')} are known at once",
        f"For the others {looked} are searched; what is left "
        + ("fails the run (on_unmapped)." if fails else "is asked for, or held back."),
    )


def _backup(run: Run, _: Found) -> Iterator[Step]:
    if run.settings.dry_run:
        return
    if run.settings.backup:
        yield Step("good", "A backup is made and checked before anything is published")
    else:
        yield Step("warning", "No backup will be made", "Set backup = True; rollback.ipynb needs one.")


def _versions(run: Run, _: Found) -> Iterator[Step]:
    if sqlite3.sqlite_version_info < OLDEST_SQLITE:
        raise EngineError(
            f"SQLite {sqlite3.sqlite_version}",
            "has no search for parts of words (trigram)",
            "Install a Python with SQLite 3.34 or newer",
        )
    yield Step(
        "good",
        f"ait42nb {__version__}, Python {platform.python_version()}, DuckDB {duckdb.__version__},"
        f" SQLite {sqlite3.sqlite_version}",
    )


def _duration(run: Run, found: Found) -> Iterator[Step]:
    seconds = SECONDS_AT_LEAST + (found.size + found.database_size) / BYTES_A_SECOND
    words = f"{seconds:.0f} seconds" if seconds < 90 else f"{seconds / 60:.0f} minutes"
    yield Step("good", f"It will take about {words}")


LOOKS = (_home, _files, _database, _space, _leftovers, _workspaces, _backup, _versions, _duration)
