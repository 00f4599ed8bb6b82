"""A fleet of some hundred homes, whose workers are killed and held up meanwhile."""

from __future__ import annotations

import random
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path

import dask
import oracle
import psutil
import pytest
from conftest import Home
from support import FULL, fault, records, require_tidy

from ait42nb import fleet
from ait42nb.pipeline import Run
from ait42nb.summary import read_summary

pytest_plugins = ["support"]

HOMES = 300 if FULL else 200
KILLS = 60 if FULL else 16


def workers() -> list[psutil.Process]:
    """The worker processes of the local cluster that this process drives."""
    alive = []
    for process in psutil.Process().children(recursive=True):
        with suppress(psutil.Error):  # it ended meanwhile
            if "spawn_main" in " ".join(process.cmdline()):
                alive.append(process)
    return alive


@contextmanager
def every(seconds: float, act: Callable[[], None]) -> Iterator[None]:
    """Meanwhile, do something again and again."""
    over = threading.Event()

    def loop() -> None:
        while not over.wait(seconds):
            act()

    thread = threading.Thread(target=loop)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def make_homes(folder: Path, number: int) -> dict[Path, Home]:
    """Homes of one to three sessions, each unlike the others."""
    homes = {}
    for n in range(number):
        home = Home(folder / f"user {n:03}" / ".ait42")
        home.write(f"/src/{n}", records(f"own-{n}", 1 + n % 3, messages=1 + n % 4))
        homes[home.path] = home
    return homes


def migrate(folder: Path) -> Run:
    return fleet.migrate(homes=f"{folder}/*/.ait42", dry_run=False, backup=False, output_dir=str(folder / "kept"))


def inserted(home: Home) -> tuple[int, int]:
    """How many sessions all the runs over a home have inserted together, and how many there are."""
    ((count,),) = home.rows("select sum(json_extract(summary, '$.balance.sessions.inserted')) from migration_runs")
    ((stored,),) = home.rows("select count(*) from sessions")
    return count, stored


def test_workers_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Every home is migrated exactly once and complete, whoever dies meanwhile; and the fleet tells it all."""
    monkeypatch.setattr(fleet, "TRIES", KILLS)  # one home may be unlucky more often than three times
    homes = make_homes(tmp_path, HOMES)
    shaken, killed = random.Random(1), []

    def kill() -> None:
        if sum(home.database.exists() for home in homes.values()) > HOMES * len(killed) / KILLS:
            time.sleep(2 * shaken.random())
            if alive := workers():
                killed.append(shaken.choice(alive))
                killed[-1].kill()

    with every(0.1, kill):
        run = migrate(tmp_path)

    assert run.failure is None
    summary = fleet.summarize(run)
    assert summary["homes"] == {"found": HOMES, "ok": HOMES, "held": 0, "failed": 0}
    assert len(killed) >= KILLS / 2
    assert 0 < summary["attempts"]["lost"] <= len(killed)
    for _ in killed:
        with fault("workers killed"):
            pass
    for migrated in run.get(fleet.Fleet).homes:
        home = homes.pop(migrated.home)
        oracle.check(home.path, home.database)
        require_tidy(home.path)
        once, stored = inserted(home)
        assert once == stored
        assert read_summary(migrated.notebook)["outcome"] == "ok"
    assert not homes
    assert len([*(tmp_path / "kept").iterdir()]) == HOMES


@pytest.mark.parametrize("told", [True, False], ids=["meanwhile", "before it can say that it began"])
def test_worker_held_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, told: bool):
    """A worker that stands still is told from its neighbours, ended, and its home migrated by another."""
    monkeypatch.setattr(fleet, "PATIENCE", 15.0)
    monkeypatch.setattr(fleet, "FETCH", 5.0)
    homes = make_homes(tmp_path, 12)
    held_up: list[psutil.Process] = []

    def hold_up() -> None:
        if not held_up and (not told or any(home.database.exists() for home in homes.values())):
            held_up.append(workers()[0])
            held_up[0].send_signal(signal.SIGSTOP)

    submit = fleet._Driver._submit

    def hold_up_and_submit(driver: fleet._Driver, task: fleet._Task) -> None:
        hold_up()
        submit(driver, task)

    if not told:
        monkeypatch.setattr(fleet._Driver, "_submit", hold_up_and_submit)
    with fault("workers held up"), every(0.2, hold_up) if told else nullcontext():
        run = migrate(tmp_path)
        assert run.failure is None
        summary = fleet.summarize(run)
        assert summary["homes"]["ok"] == len(homes)
        # Where it stood still with its work done, the next home may have been given to it already.
        assert summary["attempts"].pop("lost", 0) <= 1
        assert summary["attempts"] == {"ok": len(homes), "stopped": 1}
        assert held_up and not held_up[0].is_running()
        for home in homes.values():
            oracle.check(home.path, home.database)
            require_tidy(home.path)


def test_workers_that_are_slow_to_come_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Workers that Dask would not wait for any more, where their nannies are starting them, are waited for."""
    monkeypatch.setattr(fleet, "PATIENCE", 15.0)
    homes = make_homes(tmp_path, 12)
    killed: list[psutil.Process] = []

    def kill() -> None:
        if not killed and any(home.database.exists() for home in homes.values()):
            killed.extend(workers())
            for process in killed:
                process.kill()

    impatient = dask.config.set({"distributed.deploy.lost-worker-timeout": "10ms"})
    with fault("workers killed"), impatient, every(0.1, kill):
        run = migrate(tmp_path)
        assert run.failure is None
        assert killed
        assert fleet.summarize(run)["homes"]["ok"] == len(homes)


# What each worker does before its work: from then on one home ends it, and another one holds it up.
POISON = """
import os, signal, time
from ait42nb import pipeline

def poisoned(run, innocent=pipeline._open):
    if run.home.path.parent.name == "user 000":
        os.kill(os.getpid(), signal.SIGKILL)
    if run.home.path.parent.name == "user 001":
        time.sleep(600)
    return innocent(run)

pipeline._open = poisoned
"""


def test_homes_that_nobody_can_migrate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A home that ends or holds up each worker is given up, and said to fail; the others are migrated."""
    monkeypatch.setattr(fleet, "PATIENCE", 15.0)
    monkeypatch.setattr(fleet, "TRIES", 2)
    homes = make_homes(tmp_path, 6)

    with fault("homes that kill"), dask.config.set({"distributed.worker.preload": [POISON]}):
        run = migrate(tmp_path)
        assert str(run.failure) == (
            "homes: 2 of 6 homes failed. The report says why; mend them and run again, the others stay as they are."
        )
        summary = fleet.summarize(run)
        assert summary["attempts"] == {"ok": 4, "lost": fleet.TRIES, "stopped": fleet.TRIES}
        killer, holder, *others = summary["each"]
        assert "worker was lost each time" in killer["error"]
        assert "took far longer than the others each time" in holder["error"]
        assert {one["outcome"] for one in others} == {"ok"}
        assert [home.database.exists() for home in homes.values()] == [False, False, True, True, True, True]
