"""What may not be read or written, as an ordinary user; and folders that vanish during the run."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from multiprocessing.connection import Connection
from pathlib import Path

import duckdb_extension_sqlite_scanner
import pytest
from conftest import Home
from support import FULL, PATIENCE, fault, fill, migrate_again, migrate_with, require_sentence, start, survived

from ait42nb import pipeline
from ait42nb.errors import Ait42Error, DatabaseRefused, HomeError, SourceError

pytest_plugins = ["support"]

NOBODY = 65534
STAGES = [stage.__name__ for stage in pipeline.STAGES]


@pytest.fixture
def users_home() -> Iterator[Home]:
    """A home that belongs to an ordinary user, where such a one can get to it."""
    extension = Path(duckdb_extension_sqlite_scanner.__file__).resolve()
    if os.geteuid() == 0 and not all(folder.stat().st_mode & 0o005 == 0o005 for folder in extension.parents):
        pytest.skip("no ordinary user may read this checkout")
    with tempfile.TemporaryDirectory(prefix="faults-") as folder:
        os.chmod(folder, 0o755)
        yield Home(Path(folder, "users", "home"))


def as_user(pipe: Connection, home: str, dry_run: bool) -> None:
    """Migrate as the home's owner, who is not root: modes stop no root."""
    if os.geteuid() == 0:
        assert pipeline.migrate(ait42_home=home).failure is None  # what is imported late is imported now
        os.setgroups([])
        os.setresgid(NOBODY, NOBODY, NOBODY)
        os.setresuid(NOBODY, NOBODY, NOBODY)
    run = pipeline.migrate(ait42_home=home, dry_run=dry_run, redact=False)
    pipe.send(run.failure and (type(run.failure), run.failure.where, run.failure.problem, run.failure.remedy))


def run_as_user(home: Home, *, dry_run: bool = False) -> Ait42Error | None:
    process, pipe = start(as_user, str(home.path), dry_run)
    try:
        assert pipe.poll(PATIENCE)
        found = pipe.recv()
        return found and found[0](*found[1:])
    finally:
        process.kill()
        process.join()


def give_away(home: Home) -> None:
    if os.geteuid() == 0:
        for path in (home.path.parent, home.path, *home.path.rglob("*")):
            os.chown(path, NOBODY, NOBODY)


# What is taken away, its mode, what a dry run says, what a real run says; None is success.
RIGHTS = {
    "read-only home": (".", 0o555, None, (HomeError, "may not be written")),
    "home that may not be entered": (".", 0o000, (HomeError, ""), (HomeError, "")),
    "read-only sessions": ("sessions", 0o555, None, None),
    "sessions that may not be listed": ("sessions", 0o300, (HomeError, "may not be read"), (HomeError, "may not be")),
    "sessions that may not be entered": ("sessions", 0o600, (HomeError, "may not be read"), (HomeError, "may not be")),
    "read-only database": ("sessions.db", 0o400, None, (HomeError, "may not be written")),
    "unreadable database": ("sessions.db", 0o000, (DatabaseRefused, "cannot be"), (HomeError, "may not be")),
    "unreadable mapping": ("workspace_mapping.json", 0o000, (SourceError, ""), (SourceError, "")),
}


@pytest.mark.parametrize("what", RIGHTS)
def test_without_the_right(users_home: Home, what: str):
    """It says which right is missing, and gives nobody any; with the right it goes on."""
    name, mode, *expected = RIGHTS[what]
    fill(users_home, "merge")
    give_away(users_home)
    path = users_home.path / name
    had = path.stat().st_mode
    for dry_run, failure in zip((True, False), expected, strict=True):
        with survived("no permission", users_home):
            path.chmod(mode)
            found = run_as_user(users_home, dry_run=dry_run)
            assert path.stat().st_mode & 0o777 == mode
            path.chmod(had)
            if failure:
                require_sentence(found, *failure)
            else:
                assert found is None, found
        fill(users_home, "merge")
        give_away(users_home)


def test_a_file_without_the_right(users_home: Home):
    """It is held, and the others go in; with the right it follows."""
    fill(users_home, "first")
    give_away(users_home)
    file = min(users_home.path.glob("sessions/*"))
    with fault("no permission"):
        file.chmod(0)
        assert run_as_user(users_home) is None
        assert users_home.rows("select count(*) from sessions") == [(4,)]
        held = "select source_path, reason from migration_rejects where entity = 'file'"
        assert users_home.rows(held) == [(f"sessions/{file.name}", "unreadable")]
        file.chmod(0o600)
        migrate_again(users_home)
        assert users_home.rows(held) == []


def test_a_read_only_file_system(tmp_path: Path):
    """As rescue systems mount it: a dry run works there, and a real one says why not."""
    disk = tmp_path / "disk"
    disk.mkdir()
    if os.geteuid() or subprocess.run(["mount", "-t", "tmpfs", "-o", "size=32m", "tmpfs", disk]).returncode:
        pytest.skip("only root can mount a file system")
    try:
        home = Home(disk / "home")
        fill(home, "merge")
        for dry_run, failure in ((True, None), (False, (HomeError, "may not be written"))):
            with survived("no permission", home):
                subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
                run = home.run(dry_run=dry_run)
                subprocess.run(["mount", "-o", "remount,rw", disk], check=True)
                if failure:
                    require_sentence(run.failure, *failure)
                else:
                    assert run.failure is None
    finally:
        subprocess.run(["umount", "--lazy", disk], check=True)


@pytest.mark.parametrize(
    ("what", "stage"),
    [(what, stage) for what in (".", "sessions", "work") for stage in (STAGES if FULL or what == "." else STAGES[::3])],
)
def test_a_folder_vanishes(home: Home, what: str, stage: str):
    """A disk that was unplugged, somebody who tidies up: the run ends in a sentence, or no longer needs the folder."""
    fill(home, "merge")
    away = home.path.parent / "away"

    def vanish(run: pipeline.Run) -> None:
        folder = run.work if what == "work" else home.path / what
        folder.rename(away)

    # Without their folder the files count as gone: the run notes that, and the next one finds them again.
    with survived("folder vanishes", home, killed=what == ".", log=True, noted=what == "sessions"):
        run = migrate_with(home.path, {stage: vanish}, backup=True)
        if what == "work":
            shutil.rmtree(away)
        else:
            assert not (home.path / what).exists()
            away.rename(home.path / what)
        if run.failure:
            require_sentence(run.failure, type(run.failure))
        else:
            assert what == "sessions"
