"""What the faults share: runs in processes of their own, what must be true of a home whatever happened, and the tally.

`FAULTS=full` tries several times as many.
"""

from __future__ import annotations

import multiprocessing
import os
import shutil
import sqlite3
import tempfile
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import cache
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path

import oracle
import pytest
from conftest import Home

from ait42nb import database, pipeline, samples
from ait42nb.errors import Ait42Error
from ait42nb.home import WORK_PREFIX

FULL = os.environ.get("FAULTS") == "full"
PATIENCE = 120

# It imports the kit once, and has no threads: what it forks begins within milliseconds.
_processes = multiprocessing.get_context("forkserver")
_processes.set_forkserver_preload(["ait42nb.pipeline", "ait42nb.samples"])

# The tally

_tried: Counter[str] = Counter()
_survived: Counter[str] = Counter()
_counting = threading.Lock()


@contextmanager
def fault(kind: str) -> Iterator[None]:
    """One fault: survived, if what must be true of it is."""
    with _counting:
        _tried[kind] += 1
    yield
    with _counting:
        _survived[kind] += 1


# What else a module wants to be told at the end: called, it gives a line.
told: list[Callable[[], str]] = []


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    rows = [*_tried.items(), ("together", _tried.total())]
    counts = [*(_survived[kind] for kind in _tried), _survived.total()]
    for (kind, tried), count in zip(rows, counts, strict=True):
        terminalreporter.write_line(f"faults, {kind + ':':<22}{tried:>6,} tried, {count:>6,} survived")
    for line in told:
        terminalreporter.write_line(line())


# Processes

# Who starts a process also collects the ends of all others, and of two who collect one, one is told that it was lost.
collecting = threading.Lock()


def start(target: Callable, *arguments: object) -> tuple[BaseProcess, Connection]:
    """A process that has imported the kit and now calls `target(pipe, …)`, and the other end of that pipe."""
    here, there = _processes.Pipe()
    process = _processes.Process(target=target, args=(there, *arguments), daemon=True)
    with collecting:
        process.start()
    there.close()
    return process, here


@contextmanager
def beside(target: Callable, *arguments: object) -> Iterator[Connection]:
    """Another program that has begun, and is killed at the end. It says 'ready' itself."""
    process, pipe = start(target, *arguments)
    try:
        require(pipe, "ready")
        yield pipe
    finally:
        process.kill()
        process.join()
        pipe.close()


def require(pipe: Connection, word: str) -> None:
    assert pipe.poll(PATIENCE), f"nobody said {word}"
    assert pipe.recv() == word


def migrate_with(home: Path, meddle: Mapping[str, Callable[[pipeline.Run], object]], **more: object) -> pipeline.Run:
    """A run in which somebody meddles before the stages that are named."""
    run = pipeline.start(**{"ait42_home": str(home), "dry_run": False, "redact": False, "backup": False} | more)
    try:
        for stage in pipeline.STAGES:
            if stage.__name__ in meddle and not run.failure:
                meddle[stage.__name__](run)
            run.step(stage)
    finally:
        run.close()
    return run


# Homes


def records(prefix: str, sessions: int, messages: int = 3, **overrides: object) -> list[samples.Record]:
    """Sessions as the editor writes them, with an instance and a few messages each."""
    return [
        samples.session(
            id=f"{prefix}-{n}",
            instances=[samples.instance(instanceId=1)],
            chatHistory=[
                samples.message(id=f"{prefix}-{n}-{m}", content=f"{prefix} 話 {m}", instanceId=1)
                for m in range(messages)
            ],
            **overrides,
        )
        for n in range(sessions)
    ]


def fill(home: Home, kind: str) -> None:
    """A home before its first run, or one whose files have changed since: a merge."""
    _, made = _filled(kind)
    home.forget()
    shutil.copytree(made.path, home.path, dirs_exist_ok=True)
    home.mapping = dict(made.mapping)


@cache
def _filled(kind: str) -> tuple[tempfile.TemporaryDirectory, Home]:
    folder = tempfile.TemporaryDirectory(prefix="faults-")
    home = Home(Path(folder.name, "home"))
    for workspace in ("/src/app", "/src/docs"):
        home.write(workspace, [*records(workspace, 4), {"id": f"broken{workspace}"}])
    if kind == "merge":
        home.migrate()
        home.write("/src/app", [*records("/src/app", 4, messages=6), *records("new", 3)])
        home.write("/src/docs", records("/src/docs", 4, status="failed", updatedAt="2026-01-01T00:00:00Z"))
        home.write("/src/web", [*records("web", 2), {"id": "broken"}])
    return folder, home


@dataclass(frozen=True)
class Sources:
    """The files that are the editor's and a person's, byte for byte, with their times and rights."""

    files: dict[str, tuple[bytes, int, int]]

    @classmethod
    def of(cls, home: Path) -> Sources:
        paths = [*(home / "sessions").iterdir(), *home.glob("workspace_mapping*")]
        return cls({str(p.relative_to(home)): (p.read_bytes(), p.stat().st_mtime_ns, p.stat().st_mode) for p in paths})


_TABLES = {
    "sessions": "select * from sessions order by rowid",
    "instances": "select * from instances order by id",
    "chat_messages": "select * from chat_messages order by rowid",
    "migration_residue": "select * from migration_residue order by 1, 2, 3",
    "migration_ledger": "select * from migration_ledger order by session_id",
    "migration_rejects": "select * from migration_rejects order by source_path, pointer, reason",
    "migration_files": "select * from migration_files order by source_path",
}
_OF_THE_RUN = {"run_id", "reject_id"}

Content = dict[str, list[tuple]]


def content(live: Path) -> Content | None:
    """What a database says, whoever wrote it when; None where there is none. It must be sound.

    It is looked at in a copy, so that a killed run's log still lies there for the next one.
    """
    if not live.exists():
        assert not database.side_files(live), "a log without its database"
        return None
    with tempfile.TemporaryDirectory(dir=live.parents[2]) as folder:
        for file in (live, *database.side_files(live)):
            if not file.name.endswith("-shm"):
                shutil.copy(file, folder)
        with closing(sqlite3.connect(Path(folder, live.name), isolation_level=None)) as connection:
            health = database.check_database_health(connection)
            assert health.integrity_ok, health.details
            connection.row_factory = sqlite3.Row
            return {
                table: [tuple(row[c] for c in row.keys() if c not in _OF_THE_RUN) for row in connection.execute(query)]  # noqa: SIM118  # a Row is no mapping
                for table, query in _TABLES.items()
            }


# What must be true


@contextmanager
def survived(kind: str, home: Home, *, killed: bool = False, log: bool = False, noted: bool = False) -> Iterator[None]:
    """One fault, from its beginning to the next run.

    killed: the run could not clear its folder away
    log:    SQLite may have had to leave its log beside the database
    noted:  the run may have noted something of the files

    Afterwards the sources are byte for byte as before, the database as before or complete, and nothing lies about; the
    next run succeeds, and the oracle agrees with what it leaves.
    """
    with fault(kind):
        sources, before = Sources.of(home.path), content(home.database)
        yield
        assert Sources.of(home.path) == sources
        require_tidy(home.path, killed=killed, log=log)
        found = content(home.database)
        migrate_again(home)
        after = content(home.database)
        if noted:
            found, before, after = ({**whole, "migration_files": None} for whole in (found, before, after))
        assert found in (before, after)
        assert Sources.of(home.path) == sources
        require_tidy(home.path)


def migrate_again(home: Home) -> None:
    """The next run: nothing stops it, and the database has everything."""
    run = home.run()
    assert run.failure is None, run.failure
    require_complete(home.path)


def require_complete(home: Path) -> None:
    """The oracle agrees: it tells of a first migration, from which a merge of JSON alone differs in the books only."""
    differences = oracle.differences(home, home / "sessions.db")
    assert not [line for line in differences if " balance: " not in line]


def require_tidy(home: Path, *, killed: bool = False, log: bool = False) -> None:
    """Nothing lies in the home that does not belong there; after a kill, the run's folder and SQLite's log may."""
    names = {path.name for path in home.iterdir()}
    names -= {"sessions", "sessions.db", "workspace_mapping.json"}
    names = {name for name in names if not name.startswith("sessions_backup_")}
    if killed:
        names = {name for name in names if not name.startswith(WORK_PREFIX)}
    if killed or log:
        names -= {f"sessions.db{suffix}" for suffix in database.SIDE_FILES}
    assert not names


def require_sentence(error: Ait42Error | None, kind: type[Ait42Error], words: str = "") -> None:
    """It failed as it should: in one sentence of the one family, which says what to do."""
    assert type(error) is kind, repr(error)
    assert words in str(error), str(error)
    assert error.where and error.problem and error.remedy
    for library in ("Traceback", "Error:", "sqlite3", "duckdb.", "[Errno"):
        assert library not in str(error), str(error)
