"""Session files that somebody changes, lets grow, cuts off, replaces or removes while they are read."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path

import pytest
from conftest import Home
from support import FULL, beside, fault, fill, migrate_again, records, require_tidy

pytest_plugins = ["support"]

BUSY = "/src/busy"


def change(file: Path, number: int) -> None:
    """Another chat, of another length."""
    file.write_text(json.dumps(records("busy", 3, messages=number % 40)))


def grow(file: Path, number: int) -> None:
    """A log that somebody keeps under this name."""
    with file.open("a") as log:
        log.write(f"{number}\n")


def cut(file: Path, number: int) -> None:
    """A plain rewrite: emptied, then filled."""
    os.truncate(file, 0)
    time.sleep(0.002)
    file.write_text(json.dumps(records("busy", 3)))


def replace(file: Path, number: int) -> None:
    """A careful rewrite: another file under the name."""
    new = file.with_suffix(".new")
    new.write_text(json.dumps(records("busy", number % 5)))
    new.replace(file)


def vanish(file: Path, number: int) -> None:
    """There, and not there."""
    file.unlink()
    time.sleep(0.001)
    file.write_text(json.dumps(records("busy", 3)))


def turn(file: Path, number: int) -> None:
    """A folder in its place, or a pipe that nobody writes to, and the file again."""
    away = file.with_suffix(".away")
    file.rename(away)
    if number % 2:
        file.mkdir()
        file.rmdir()
    else:
        os.mkfifo(file)
        file.unlink()
    away.rename(file)


def keep_doing(pipe: Connection, file: str, meddle: Callable[[Path, int], None]) -> None:
    for number in range(10_000_000):
        meddle(Path(file), number)
        if number == 1:
            pipe.send("ready")


@pytest.mark.parametrize("scene", ["first", "merge"])
@pytest.mark.parametrize("meddle", [change, grow, cut, replace, vanish, turn])
def test_while_they_are_read(home: Home, scene: str, meddle: Callable[[Path, int], None]):
    """That file goes in as it was at one moment, or is held and told; the others are as always."""
    fill(home, scene)
    for _ in range(3 if FULL else 1):
        file = home.write(BUSY, records("busy", 3))
        others = {path: path.read_bytes() for path in home.path.glob("sessions/*") if path != file}
        with fault("source changes"):
            with beside(keep_doing, str(file), meddle):
                run = home.run()
            assert run.failure is None, run.failure
            assert {path: path.read_bytes() for path in others} == others
            require_tidy(home.path)
            held = home.rows("select reason, source_path from migration_rejects where entity = 'file'")
            states = dict(home.rows("select source_path, state from migration_files"))
            assert all(name == f"sessions/{file.name}" for _, name in held)
            assert {reason for reason, _ in held} <= {"unstable", "unreadable", "malformed"}
            assert all(states[f"sessions/{path.name}"] == "read" for path in others)
            # Whatever went in of it went in whole.
            counts = "select message_count, count(m.id) from sessions s left join chat_messages m on session_id = s.id"
            assert all(told == found for told, found in home.rows(f"{counts} group by s.id"))
            for left in home.path.glob("sessions/*.[na]*"):
                left.unlink(missing_ok=True)
            # Where it was killed between two steps, a folder or a pipe is left, and writing to a pipe waits for ever.
            file.rmdir() if file.is_dir() else file.unlink(missing_ok=True)
            home.forget()
            home.write(BUSY, records("busy", 3))
            migrate_again(home)
