"""No space left: at each stage, after each so many bytes, and for files that may not grow; in the home or elsewhere."""

from __future__ import annotations

import os
import resource
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection
from pathlib import Path

import pytest
from conftest import Home
from support import (
    FULL,
    PATIENCE,
    Content,
    content,
    fault,
    fill,
    migrate_with,
    records,
    require_sentence,
    start,
    survived,
)

from ait42nb import pipeline, rollback
from ait42nb.errors import DiskFull

pytest_plugins = ["support"]

SCENES = ("first", "merge")
STAGES = [stage.__name__ for stage in pipeline.STAGES]
# In a first run the archive was written beside the others, and a rename needs no space.
AT_THE_END = ("verify_database", "rehearse_merge", "back_up", "publish_database")
# A run wants up to four megabytes in the home here; the steps are odd, so that they fall between pages.
ROOM = range(0, 5_000_000, 104_729 if FULL else 499_979)


class Disk:
    """A small disk of its own, with a home on it."""

    def __init__(self, path: Path) -> None:
        self.path, self.home, self._filler = path, Home(path / "home"), path / "filler"

    def fill(self, room: int = 0) -> None:
        """Leave so much room, and no more."""
        with self._filler.open("wb") as file:
            while (free := shutil.disk_usage(self.path).free - room) > 0:
                with suppress(OSError):  # the run writes meanwhile
                    os.posix_fallocate(file.fileno(), file.seek(0, os.SEEK_END), free)

    def empty(self) -> None:
        self._filler.unlink(missing_ok=True)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    folder = tmp_path / "disk"
    folder.mkdir()
    if os.geteuid() or subprocess.run(["mount", "-t", "tmpfs", "-o", "size=32m", "tmpfs", folder]).returncode:
        pytest.skip("only root can make a small disk; the tests of files that may not grow take its place")
    try:
        yield Disk(folder)
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


@contextmanager
def out_of_space(disk: Disk) -> Iterator[None]:
    """Once there is space again, everything is as `survived` says."""
    with survived("disk full", disk.home, log=True):
        yield
        disk.empty()


@pytest.mark.parametrize("scene", SCENES)
@pytest.mark.parametrize("stage", STAGES)
def test_before_each_stage(disk: Disk, scene: str, stage: str):
    """The stage itself fails, or the next that writes: but not after the last byte was written."""
    fill(disk.home, scene)
    disk.home.write("/src/large", records("large", 600))  # so that staging needs pages that it does not have yet
    with out_of_space(disk):
        run = migrate_with(disk.home.path, {stage: lambda run: disk.fill()}, backup=True)
        if run.failure or scene != "first" or stage not in AT_THE_END:
            require_sentence(run.failure, DiskFull)


@pytest.mark.parametrize("scene", SCENES)
def test_after_so_many_bytes(disk: Disk, scene: str):
    """A disk on which there is less and less room for a run: it fails in the middle of a write, or does all."""
    fill(disk.home, scene)
    before = shutil.copytree(disk.home.path, disk.path.parent / "before")
    outcomes = set()
    for room in ROOM:
        shutil.rmtree(disk.home.path)
        shutil.copytree(before, disk.home.path)
        disk.fill(room)
        with out_of_space(disk):
            run = disk.home.run(backup=True)
            if run.failure:
                require_sentence(run.failure, DiskFull)
            outcomes.add(bool(run.failure))
    assert outcomes == {True, False}


def limited(pipe: Connection, home: str, limit: int) -> None:
    """As a quota does, and where nobody may mount a disk: no file grows beyond the limit."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
    run = pipeline.migrate(ait42_home=home, dry_run=False, redact=False)
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    pipe.send(run.failure and (type(run.failure), run.failure.where, run.failure.problem, run.failure.remedy))


@pytest.mark.parametrize("scene", SCENES)
def test_no_file_may_grow(home: Home, scene: str):
    """A limit for each file instead of one for all; the system calls it by another name."""
    fill(home, scene)
    before = shutil.copytree(home.path, home.path.parent / "before")
    for limit in (1 << bits for bits in range(10, 20, 1 if FULL else 3)):
        shutil.rmtree(home.path)
        shutil.copytree(before, home.path)
        with survived("disk full", home, log=True):
            process, pipe = start(limited, str(home.path), limit)
            assert pipe.poll(PATIENCE)
            kind, *words = pipe.recv()
            process.join()
            require_sentence(kind(*words), DiskFull)


def test_a_dry_run_where_temporary_files_go(disk: Disk, home: Home, monkeypatch: pytest.MonkeyPatch):
    """It needs its space there, and neither writes nor removes anything in the home."""
    fill(home, "merge")
    monkeypatch.setattr("tempfile.tempdir", str(disk.path))
    for room in ROOM[:: len(ROOM) // 4]:
        disk.fill(room)
        with survived("disk full", home):
            run = home.run(dry_run=True)
            left = sorted(path.name for path in disk.path.iterdir())
            disk.empty()
            if run.failure or room == 0:
                require_sentence(run.failure, DiskFull)
            assert left == ["filler", "home"]


def go_back(home: Home, action: str) -> pipeline.Run:
    run = rollback.start(ait42_home=str(home.path), action=action, dry_run=False, redact=False)
    try:
        for step in (rollback.find_backups, rollback.choose_backup, rollback.plan_action, rollback.act):
            run.step(step)
    finally:
        run.close()
    return run


@pytest.mark.parametrize("action", ["restore_database", "restore_json"])
def test_on_the_way_back(disk: Disk, action: str):
    """A rollback leaves the database and the files as they were, or as the backup has them: never between."""
    fill(disk.home, "merge")
    former = state(disk.home)
    assert disk.home.run(backup=True).failure is None
    disk.home.write("/src/app", records("later", 3))
    before = shutil.copytree(disk.home.path, disk.path.parent / "before")
    present = state(disk.home)
    for room in ROOM[:: len(ROOM) // 8]:
        shutil.rmtree(disk.home.path)
        shutil.copytree(before, disk.home.path)
        with fault("disk full"):
            disk.fill(room)
            if (failure := go_back(disk.home, action).failure) or room == 0:
                require_sentence(failure, DiskFull)
                assert state(disk.home) == present
            disk.empty()
            if failure:
                assert go_back(disk.home, action).failure is None
            wanted = (former[0], present[1]) if action == "restore_database" else (present[0], former[1])
            assert state(disk.home) == wanted


def state(home: Home) -> tuple[Content | None, dict[str, bytes]]:
    """What the database says, and what the files hold."""
    return content(home.database), {path.name: path.read_bytes() for path in home.path.glob("sessions/*")}
