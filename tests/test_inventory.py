"""Which files there are, and that what is read stood still meanwhile."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from ait42nb import inventory, pipeline
from ait42nb.errors import DiskFull
from ait42nb.home import NO_SPACE
from ait42nb.inventory import Inventory, take_inventory
from ait42nb.samples import session
from ait42nb.summary import summarize


@pytest.fixture
def take(home, request: pytest.FixtureRequest):
    """Take the inventory of a home; the run's work folder stays until the test ends."""

    def taken() -> Inventory:
        run = pipeline.start(ait42_home=str(home.path))
        request.addfinalizer(run.close)
        found = run.step(take_inventory)
        if run.failure:
            raise run.failure
        return found

    return taken


def test_files_are_copied_and_hashed(home, take):
    """Each later stage reads the copy: same bytes, a plain number for a name, nobody else's to read."""
    path = home.put("0123456789abcdef.json", [session(task="日本語")])

    (file,) = take().files

    assert (file.source_path, file.workspace_hash, file.state) == (
        "sessions/0123456789abcdef.json",
        "0123456789abcdef",
        "read",
    )
    assert file.copy.read_bytes() == path.read_bytes()
    assert file.copy.name == "000000.json"
    assert stat.S_IMODE(file.copy.stat().st_mode) == 0o600
    assert (file.size_bytes, file.mtime_ns) == (path.stat().st_size, path.stat().st_mtime_ns)
    assert file.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


def test_files_come_in_the_order_of_their_names_as_bytes(home, take):
    for name in ("é.json", "b.json", "B.json", "a.JSON", "a.json.tmp", ".json"):
        home.put(name, "[]")
    assert [f.source_path for f in take().files] == [
        "sessions/.json",
        "sessions/B.json",
        "sessions/b.json",
        "sessions/é.json",
    ]


def test_a_name_that_is_no_text(home, take):
    """File systems take any bytes; the name is shown with what is no text escaped."""
    try:
        Path(os.fsdecode(os.fsencode(home.path / "sessions") + b"/\xff.json")).write_text("[]")
    except OSError:
        pytest.skip("this file system takes no such name")
    (file,) = take().files
    assert (file.source_path, file.state) == ("sessions/\\xff.json", "read")


def test_a_home_without_sessions_is_empty(home, take):
    """Retention may have left the database alone."""
    (home.path / "sessions").rmdir()
    home.database.touch()
    assert take().files == ()


@pytest.mark.parametrize(
    ("content", "state"),
    [(b"", "empty"), (b" \r\n\t", "empty"), (b"\xef\xbb\xbf\n", "empty"), (b"\xef\xbb\xbf[]", "read")],
)
def test_blank_files_are_empty(home, take, content: bytes, state: str):
    home.put("a.json", content)
    (file,) = take().files
    assert (file.state, file.size_bytes, file.bom) == (state, len(content), content.startswith(b"\xef\xbb\xbf"))


@pytest.fixture
def editor(monkeypatch: pytest.MonkeyPatch):
    """Lets the editor write while a file is being read: `editor(write)` calls `write` with each chunk."""

    def meanwhile(write: Callable[[], object]) -> None:
        class Hash:
            def __init__(self) -> None:
                self.digest = hashlib.sha256()

            def update(self, chunk: bytes) -> None:
                self.digest.update(chunk)
                write()

            def hexdigest(self) -> str:
                return self.digest.hexdigest()

        monkeypatch.setattr(inventory, "hashlib", SimpleNamespace(sha256=Hash))
        monkeypatch.setattr(inventory, "PAUSE", 0.001)

    return meanwhile


def test_a_file_that_is_being_written_is_read_again(home, take, editor):
    """The editor writes in place; a moment later the file is whole (A10)."""
    path = home.put("a.json", '[{"torn')
    whole = iter(["[{}]"])
    editor(lambda: [path.write_text(text) for text in whole])

    (file,) = take().files

    assert (file.state, file.copy.read_text()) == ("read", "[{}]")


def test_a_rewrite_of_the_same_size_is_seen(home, take, editor):
    """The time of the last change tells, where the size does not."""
    path = home.put("a.json", "[1]")
    whole = iter(["[2]"])
    editor(lambda: [path.write_text(text) for text in whole])

    assert take().files[0].copy.read_text() == "[2]"


def test_a_file_that_is_replaced_is_read_again(home, take, editor):
    """A rename with size and time preserved is another file."""
    path = home.put("a.json", "[1]")
    other = path.with_suffix(".new")
    other.write_text("[2]")
    os.utime(other, ns=(path.stat().st_atime_ns, path.stat().st_mtime_ns))
    editor(lambda: other.exists() and other.rename(path))

    assert take().files[0].copy.read_text() == "[2]"


def test_a_file_that_never_rests_is_unstable(home, take, editor):
    """It is held, and no torn copy of it is kept; the others are read."""
    path = home.put("a.json", "[1]")
    home.put("b.json", b"")
    editor(lambda: path.write_bytes(path.read_bytes()))

    first, second = take().files

    assert (first.state, first.copy, first.sha256) == ("unstable", None, None)
    assert first.detail == "was being written each of the 8 times that it was read"
    assert second.state == "empty"


def test_a_file_that_grows_as_fast_as_it_is_read_is_unstable(home, take, editor):
    """Reading it comes to an end."""
    path = home.put("a.json", "[1]")
    editor(lambda: path.write_bytes(path.read_bytes() + b" "))
    assert take().files[0].state == "unstable"


def test_unstable_files_are_held_and_stop_nobody(home, editor):
    """The run goes on without it, and says so."""
    path = home.write("/home/aki/restless", [session(id="restless")])
    home.write("/home/aki/calm", [session(id="calm")])
    editor(lambda: path.write_bytes(path.read_bytes()))
    run = home.run()

    assert run.failure is None
    assert home.rows("select id from sessions") == [("calm",)]
    assert home.rows("select reason, pointer, document from migration_rejects") == [("unstable", "", None)]
    assert summarize(run)["outcome"] == "held"


@pytest.mark.parametrize("begun", [b"", b'[{"id": "s1"},\n'], ids=["emptied", "begun"])
def test_a_file_whose_rewrite_has_just_begun_gets_a_moment(home, take, monkeypatch: pytest.MonkeyPatch, begun: bytes):
    """A plain rewrite begins by emptying the file, and its writer may rest before the end."""
    path = home.put("a.json", begun)
    os.utime(path)
    monkeypatch.setattr(inventory.time, "sleep", lambda _: path.write_text("[{}]\n"))
    (file,) = take().files
    assert file.state == "read" and file.copy.read_bytes() == b"[{}]\n"


@pytest.mark.parametrize(("begun", "state"), [(b"", "empty"), (b"[", "read")], ids=["emptied", "begun"])
def test_a_rewrite_that_goes_no_further_is_taken_as_it_is(home, take, monkeypatch, begun: bytes, state: str):
    monkeypatch.setattr(inventory, "PAUSE", 0.001)
    path = home.put("a.json", begun)
    os.utime(path)
    assert take().files[0].state == state


def test_a_file_that_vanishes_is_unreadable(home, take, monkeypatch: pytest.MonkeyPatch):
    """Between listing and reading."""
    home.put("a.json", "[]")
    monkeypatch.setattr(inventory, "_copy", lambda path, copy: path.unlink() or path.stat())
    (file,) = take().files
    assert (file.state, file.detail) == ("unreadable", "no such file or directory")


def test_too_little_space_is_told_beforehand(home, take, monkeypatch: pytest.MonkeyPatch):
    """Copies, staging database and spill lie side by side."""
    home.put("a.json", "[]")
    monkeypatch.setattr(inventory, "SPACE_FACTOR", 10**18)
    with pytest.raises(DiskFull, match="MB are needed"):
        take()
    assert [p.name for p in home.path.iterdir()] == ["sessions"]


@pytest.mark.parametrize("why", NO_SPACE)
def test_a_copy_without_room_is_no_unreadable_file(home, take, monkeypatch: pytest.MonkeyPatch, why: int):
    """Others may have filled the disk meanwhile: the run says so, instead of holding a file that is sound."""
    home.put("0123456789abcdef.json", [session()])

    def full(*_: object) -> None:
        raise OSError(why, os.strerror(why))

    monkeypatch.setattr(inventory, "_copy", full)
    with pytest.raises(DiskFull, match="Free some space"):
        take()


def test_the_sources_are_never_written(home):
    """Bytes, times and modes are as they were (invariant 5)."""
    path = home.write("/home/aki/app", [session()])
    path.chmod(0o640)
    before = (path.read_bytes(), path.stat().st_mtime_ns, path.stat().st_mode, path.stat().st_ino)
    home.migrate()
    assert (path.read_bytes(), path.stat().st_mtime_ns, path.stat().st_mode, path.stat().st_ino) == before
