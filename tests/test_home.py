"""The home itself: what is asked of it, one run at a time, the work folder, files written whole or not at all."""

from __future__ import annotations

import os
import re
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from ait42nb import home as kit
from ait42nb.errors import DatabaseRefused, DiskFull, HomeError, RunInProgress
from ait42nb.home import (
    Home,
    new_run_id,
    now,
    rename_without_overwriting,
    require_space,
    write_atomically,
)

HOLDER = """
import sys
from pathlib import Path
from ait42nb.home import Home
with Home(Path(sys.argv[1])).locked():
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "home" / "sessions").mkdir(parents=True)
    return tmp_path / "home"


@pytest.fixture
def other_run(folder: Path):
    """Another process that holds the home."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=Path(__file__).parents[1],
    )
    assert process.stdout.readline() == b"held\n"
    yield process
    process.kill()
    process.communicate()


# What is asked of it


def test_a_home_that_is_not_there(tmp_path: Path):
    with pytest.raises(HomeError, match=r"nowhere: there is no such folder\. Give the editor's folder as ait42_home\."):
        Home(tmp_path / "nowhere").require(writable=False)


def test_a_home_that_is_a_file(tmp_path: Path):
    (tmp_path / "file").touch()
    with pytest.raises(HomeError, match="there is no such folder"):
        Home(tmp_path / "file").require(writable=False)


def test_a_folder_without_sessions(tmp_path: Path):
    """The sessions folder itself was given, or any other one."""
    with pytest.raises(HomeError, match=r"there is no folder 'sessions' in it\. Give the folder that holds 'sessions'"):
        Home(tmp_path).require(writable=False)


def test_a_home_with_a_database_alone(tmp_path: Path):
    """Retention may have removed the last file."""
    (tmp_path / "sessions.db").touch()
    Home(tmp_path).require(writable=True)


# One run at a time


def test_the_second_run_is_told_who_holds_the_home(folder: Path, other_run):
    """RunInProgress names the process, and what to do."""
    with pytest.raises(RunInProgress) as caught, Home(folder).locked():
        pass
    assert re.fullmatch(
        rf"{re.escape(str(folder))}: another run works here \(process {other_run.pid}, python[0-9.]*\)\. "
        r"Wait until it has ended, or end it, and run again\.",
        str(caught.value),
    )


def test_the_lock_dies_with_its_process(folder: Path, other_run):
    """A killed run blocks nobody, and leaves no file to remove."""
    other_run.kill()
    other_run.wait()
    with Home(folder).locked():
        assert sorted(p.name for p in folder.iterdir()) == ["sessions"]


def test_the_lock_is_let_go(folder: Path):
    for _ in range(2):
        with Home(folder).locked():
            pass


def test_who_holds_it_may_not_be_known(folder: Path, other_run, monkeypatch: pytest.MonkeyPatch):
    """Where there is no /proc the run is refused all the same."""
    monkeypatch.setattr(kit, "lock_holder", lambda handle: "")
    with pytest.raises(RunInProgress, match=r"another run works here\. Wait"), Home(folder).locked():
        pass


# The work folder


def test_the_work_folder_of_a_real_run_is_in_the_home(folder: Path):
    """So that publishing is a rename on one file system; nobody else may look into it, and it is gone afterwards."""
    with Home(folder).work_folder("20251101T090000Z-abcdef", dry_run=False) as work:
        assert work.parent == folder
        assert stat.S_IMODE(work.stat().st_mode) == 0o700
        (work / "files").mkdir()
        assert Home(folder).leftovers() == [work]
    assert not work.exists()


def test_the_work_folder_of_a_dry_run_is_not(folder: Path):
    with Home(folder).work_folder("20251101T090000Z-abcdef", dry_run=True) as work:
        assert not work.is_relative_to(folder)
        assert stat.S_IMODE(work.stat().st_mode) == 0o700
    assert not work.exists()


def test_leftovers_are_folders_of_the_kit_alone(folder: Path):
    """A link of that name is somebody's, and what it leads to even more so."""
    (folder / ".ait42nb-old").mkdir()
    (folder / ".ait42nb-link").symlink_to(folder / "sessions")
    (folder / ".ait42nb-file").touch()
    assert [p.name for p in Home(folder).leftovers()] == [".ait42nb-old"]


KILLED_IN_WRITING = """
import os, signal, sys
from pathlib import Path
from ait42nb.home import write_atomically
os.fsync = lambda handle: os.kill(os.getpid(), signal.SIGKILL)
write_atomically(Path(sys.argv[1]), "half")
"""


def test_a_half_written_mapping_file_is_cleared(folder: Path):
    """Whoever was killed while saving left a file beside the old one, which is whole."""
    mapping = folder / "workspace_mapping.json"
    mapping.write_text("{}")
    subprocess.run([sys.executable, "-c", KILLED_IN_WRITING, mapping], cwd=Path(__file__).parents[1])
    (left,) = Home(folder).leftovers()
    home = Home(folder)
    with home.work_folder("20251101T090000Z-abcdef", dry_run=False):
        assert home.cleared == [left]
    assert sorted(p.name for p in folder.iterdir()) == ["sessions", "workspace_mapping.json"]
    assert mapping.read_text() == "{}"


# Files, whole or not at all


def test_a_file_is_private_and_whole(folder: Path):
    path = folder / "workspace_mapping.json"
    write_atomically(path, '{"日本": "語"}')
    write_atomically(path, "second")
    assert path.read_text(encoding="utf-8") == "second"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert sorted(p.name for p in folder.iterdir()) == ["sessions", "workspace_mapping.json"]


def test_a_link_is_replaced_not_followed(folder: Path):
    """Nobody can make the kit write somewhere else."""
    target = folder / "precious"
    target.write_text("kept")
    (folder / "link").symlink_to(target)
    write_atomically(folder / "link", "new")
    assert target.read_text() == "kept"
    assert not (folder / "link").is_symlink()


def test_a_failed_write_leaves_what_was_there(folder: Path, monkeypatch: pytest.MonkeyPatch):
    path = folder / "file"
    path.write_text("old")
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        write_atomically(path, "new")
    assert path.read_text() == "old"
    assert sorted(p.name for p in folder.iterdir()) == ["file", "sessions"]


def full(*_: object) -> None:
    raise OSError(28, "No space left on device")


def test_a_rename_never_overwrites(folder: Path):
    (folder / "new").write_text("new")
    rename_without_overwriting(folder / "new", folder / "sessions.db")
    assert (folder / "sessions.db").read_text() == "new"

    (folder / "other").write_text("other")
    with pytest.raises(
        DatabaseRefused, match=r"sessions\.db: it has appeared during the run\. Nothing was overwritten"
    ):
        rename_without_overwriting(folder / "other", folder / "sessions.db")
    assert (folder / "sessions.db").read_text() == "new"
    assert (folder / "other").read_text() == "other"


def test_a_rename_never_overwrites_where_links_must_do(folder: Path, monkeypatch: pytest.MonkeyPatch):
    """macOS has no rename of that kind; a hard link refuses in the same way."""
    monkeypatch.setattr(kit, "_renameat2", lambda source, target: False)
    test_a_rename_never_overwrites(folder)
    assert not (folder / "new").exists()


def test_space_is_asked_for_beforehand(folder: Path):
    require_space(folder, 1)
    with pytest.raises(
        DiskFull, match=r"about 1,000,000,000,000 MB are needed and [0-9,]+ MB are free\. Free some space"
    ):
        require_space(folder, 10**18)


def test_run_ids_sort_by_time_and_differ():
    ids = [new_run_id() for _ in range(50)]
    assert len(set(ids)) == 50
    assert sorted(ids) == ids  # those of one second too: the last run is told by its id
    assert all(re.fullmatch(r"\d{8}T\d{6}Z-[0-9a-f]{6}", i) for i in ids)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", now())
