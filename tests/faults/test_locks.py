"""Others who hold the database, or the home: for a second, for ever, reading, writing."""

from __future__ import annotations

import os
import signal
import sqlite3
import time
from contextlib import ExitStack, closing
from multiprocessing.connection import Connection

import pytest
from conftest import Home
from support import (
    FULL,
    PATIENCE,
    beside,
    fault,
    fill,
    migrate_with,
    require,
    require_complete,
    require_sentence,
    require_tidy,
    start,
    survived,
)

from ait42nb import pipeline
from ait42nb.errors import DatabaseLocked, RunInProgress

pytest_plugins = ["support"]

HOLDS = {
    "a writer": ["begin immediate", "delete from chat_messages"],
    "a reader": ["begin", "select count(*) from sessions"],
    "somebody who wants it alone": ["pragma locking_mode = exclusive", "begin exclusive"],
    "a writer without a log": ["pragma journal_mode = delete", "begin immediate", "delete from chat_messages"],
    "somebody who wants it alone, without a log": ["pragma journal_mode = delete", "begin exclusive"],
}


def hold(pipe: Connection, database: str, statements: list[str], seconds: float) -> None:
    """Another program in a transaction, which it takes back after its time."""
    with closing(sqlite3.connect(database, isolation_level=None)) as connection:
        for statement in statements:
            connection.execute(statement).fetchall()
        pipe.send("ready")
        time.sleep(seconds)
        connection.execute("rollback")


@pytest.mark.parametrize("who", HOLDS)
@pytest.mark.parametrize("stage", ["take_snapshot", "publish_database"])
def test_for_a_second(home: Home, who: str, stage: str):
    """The run waits. Who held it is killed in the end, and leaves a log."""
    fill(home, "merge")
    with survived("database locked", home, log=True), ExitStack() as others:
        held = beside(hold, str(home.database), HOLDS[who], 1.0)
        run = migrate_with(home.path, {stage: lambda run: others.enter_context(held)})
        assert run.failure is None, run.failure


@pytest.mark.parametrize("who", HOLDS)
@pytest.mark.parametrize("stage", ["take_snapshot", "publish_database"] if FULL else ["publish_database"])
def test_for_ever(home: Home, who: str, stage: str):
    """It says who it is, after the five seconds that the editor waits too; a reader in WAL mode is in nobody's way."""
    fill(home, "merge")
    with survived("database locked", home, log=True), ExitStack() as others:
        held = beside(hold, str(home.database), HOLDS[who], PATIENCE)
        began = time.monotonic()
        run = migrate_with(home.path, {stage: lambda run: others.enter_context(held)})
        if who == "a reader":
            assert run.failure is None, run.failure
        else:
            require_sentence(run.failure, DatabaseLocked, "another program holds the lock (process ")
            assert time.monotonic() - began < 30


def test_a_dry_run_beside_a_writer(home: Home):
    """It needs no lock."""
    fill(home, "merge")
    with survived("database locked", home, log=True), beside(hold, str(home.database), HOLDS["a writer"], PATIENCE):
        run = home.run(dry_run=True)
        assert run.failure is None, run.failure


def write(pipe: Connection, database: str) -> None:
    """The editor: a message, again and again."""
    with closing(sqlite3.connect(database, isolation_level=None, timeout=5)) as connection:
        connection.execute("pragma foreign_keys = on")
        for number in range(1_000_000):
            row = f"live-{number}", "/src/app-0"
            connection.execute("insert into chat_messages values (?, ?, null, 'user', 'live', 'now')", row)
            pipe.send(number if number else "ready")
            time.sleep(0.005)


def test_somebody_writes_all_through(home: Home):
    """Every message that the editor was told is stored stays, and none of its writes had to wait too long."""
    fill(home, "merge")
    with fault("database locked"):
        with beside(write, str(home.database)) as pipe:
            run = home.run()
            assert run.failure is None, run.failure
            while pipe.poll():
                last = pipe.recv()
        live = home.rows("select count(*) from chat_messages where id glob 'live-*'")[0][0]
        assert live >= last + 1 > 10
        assert home.run().failure is None
        assert home.rows("select count(*) from chat_messages where id glob 'live-*'") == [(live,)]


# Two runs


def race(pipe: Connection, home: str) -> None:
    pipe.send("ready")
    pipe.recv()
    run = pipeline.migrate(ait42_home=home, dry_run=False, redact=False, backup=False)
    failure = run.failure
    pipe.send(failure and (type(failure), failure.where, failure.problem, failure.remedy))


@pytest.mark.parametrize("scene", ["first", "merge"])
def test_several_runs_at_once(home: Home, scene: str):
    """One does it; the others are told who, or find it done. Nobody is in the way of nobody."""
    for _ in range(10 if FULL else 3):
        home.forget()
        fill(home, scene)
        with fault("two runs at once"):
            runs = [start(race, str(home.path)) for _ in range(3)]
            for _, pipe in runs:
                require(pipe, "ready")
            for _, pipe in runs:
                pipe.send("go")
            results = [pipe.recv() for _, pipe in runs]
            for process, pipe in runs:
                process.join()
                pipe.close()
            assert None in results
            for kind, *words in filter(None, results):
                require_sentence(kind(*words), RunInProgress, "another run works here (process ")
            require_complete(home.path)
            require_tidy(home.path)


def test_a_stale_lock(home: Home):
    """A run that stands still holds the home; once it is killed, nobody does."""
    fill(home, "merge")
    with survived("leftovers", home):
        process, pipe = start(stop, str(home.path))
        require(pipe, "ready")
        failure = home.run().failure
        require_sentence(failure, RunInProgress, f"(process {process.pid}, ")
        process.kill()
        process.join()
        run = home.run()
        assert run.failure is None
        assert len(run.home.cleared) == 1


def stop(pipe: Connection, home: str) -> None:
    run = pipeline.start(ait42_home=home, dry_run=False, redact=False)
    for stage in pipeline.STAGES[:-1]:
        run.step(stage)
    pipe.send("ready")
    os.kill(os.getpid(), signal.SIGSTOP)


def test_the_first_cell_twice(home: Home):
    """In one kernel a person may begin again; the run of before lets go of the home."""
    fill(home, "merge")
    with survived("two runs at once", home):
        cells = {"ait42_home": str(home.path), "dry_run": False, "redact": False, "backup": False}
        for _ in range(3):
            cells["run"] = pipeline.start(cells)
            assert cells["run"].failure is None
            for stage in pipeline.STAGES[:4]:
                cells["run"].step(stage)
        for stage in pipeline.STAGES:
            cells["run"].step(stage)
        assert cells["run"].failure is None
        pipeline.conclude(cells["run"])
