"""What the faults share: runs in processes of their own, what must be true of a home whatever happened, and the tally.

`FAULTS` says how many kills are spread over a run: a number, or `full`.
"""

from __future__ import annotations

import multiprocessing
import os
import shutil
import sqlite3
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from multiprocessing.process import BaseProcess
from pathlib import Path

import pytest

from ait42nb import database, samples
from ait42nb.errors import Ait42Error

FULL = os.environ.get("FAULTS") == "full"
KILLS = 200 if FULL else int(os.environ.get("FAULTS", "24"))

# It imports the kit once, and has no threads: what it forks begins within milliseconds.
_processes = multiprocessing.get_context("forkserver")
_processes.set_forkserver_preload(["ait42nb.pipeline", "ait42nb.samples"])

# The tally

_tally = {"tried": 0, "survived": 0}
_counting = threading.Lock()


def _count(what: str) -> None:
    with _counting:
        _tally[what] += 1


@contextmanager
def fault() -> Iterator[None]:
    """One fault: survived, if what must be true of it is."""
    _count("tried")
    yield
    _count("survived")


# What else a module wants to be told at the end: called, it gives a line.
told: list[Callable[[], str]] = []


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    terminalreporter.write_line(f"faults: {_tally['tried']:,} tried, {_tally['survived']:,} survived")
    for line in told:
        terminalreporter.write_line(line())


# Processes


def start(target, *arguments: object) -> tuple[BaseProcess, multiprocessing.connection.Connection]:
    """A process that has imported the kit and now does something, and the pipe that it tells of it."""
    here, there = _processes.Pipe()
    process = _processes.Process(target=target, args=(*arguments[:1], there, *arguments[1:]), daemon=True)
    process.start()
    there.close()
    return process, here


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
    with tempfile.TemporaryDirectory() as folder:
        for file in (live, *database.side_files(live)):
            if not file.name.endswith("-shm"):
                shutil.copy(file, folder)
        with closing(sqlite3.connect(Path(folder, live.name), isolation_level=None)) as connection:
            health = database.check_database_health(connection)
            assert health.integrity_ok, health.details
            connection.row_factory = sqlite3.Row
            return {
                table: [tuple(row[c] for c in row.keys() if c not in _OF_THE_RUN) for row in connection.execute(query)]  # noqa: SIM118
                for table, query in _TABLES.items()
            }


def require_tidy(home: Path, *, killed: bool = False) -> None:
    """Nothing lies in the home that does not belong there; after a kill, the run's folder and SQLite's files may."""
    names = {path.name for path in home.iterdir()}
    names -= {"sessions", "sessions.db", "workspace_mapping.json"}
    names = {name for name in names if not name.startswith("sessions_backup_")}
    if killed:
        names = {n for n in names if not n.startswith(".ait42nb-") and n not in ("sessions.db-wal", "sessions.db-shm")}
    assert not names


def require_sentence(error: Ait42Error | None, kind: type[Ait42Error], words: str = "") -> None:
    """It failed as it should: in one sentence of the one family, which says what to do."""
    assert isinstance(error, kind), repr(error)
    assert type(error) is kind, repr(error)
    assert words in str(error), str(error)
    assert error.where and error.problem and error.remedy
    assert "Traceback" not in str(error)


@pytest.fixture(scope="module")
def make_home():
    """The class of the fixture `home`, for a home that several tests begin with."""
    return sys.modules["conftest"].Home
