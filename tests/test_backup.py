"""The backup: made from the copies, restored by tar alone, checked before it counts, and never trusted."""

from __future__ import annotations

import errno
import gzip
import io
import json
import os
import shutil
import sqlite3
import stat
import subprocess
import tarfile
import threading
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest

from ait42nb import backup, database, pipeline
from ait42nb.backup import BackedUp, Backup, Begun, Manifest, check_backup, list_backups, restore_to
from ait42nb.errors import Ait42Error, BackupRefused, DiskFull
from ait42nb.home import Home
from ait42nb.samples import session

WORKSPACE = "/home/aki/app"


def backed_up(home, **parameters) -> BackedUp:
    """A real run as far as its backup."""
    run = pipeline.start(ait42_home=str(home.path), dry_run=False, **parameters)
    try:
        for stage in (pipeline.take_inventory, pipeline.back_up):
            run.step(stage)
    finally:
        run.close()
    if run.failure:
        raise run.failure
    return run.get(BackedUp)


def contents(folder: Path) -> dict[str, bytes]:
    return {os.fsdecode(path.name): path.read_bytes() for path in (folder / "sessions").iterdir()}


def everything(folder: Path) -> dict[str, bytes]:
    return {str(p): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def make_database(home, tasks=("one", "two")) -> None:
    with closing(database.connect(home.database)) as connection:
        for number, task in enumerate(tasks):
            connection.execute(
                "insert into sessions (id, workspace_path, type, task, status, created_at, updated_at)"
                " values (?, '/w', 'debate', ?, 'paused', 't', 't')",
                (f"s{number}", task),
            )


# Making one -----------------------------------------------------------------------------------------------------------


def test_the_first_archive_is_written_beside_the_other_stages(home):
    """Later ones wait for what the database and the newest backup hold in the end."""
    home.write(WORKSPACE, [session(id="s1")])
    run = home.run(backup=True)
    begun = run.get(Begun).backup.result()
    assert (begun.id, begun.state) == (run.get(BackedUp).backup.id, "checked")
    assert begun.manifest == run.get(BackedUp).backup.manifest

    home.write(WORKSPACE, [session(id="s1", task="changed")])
    run = home.run(backup=True)
    assert run.get(Begun).backup is None
    assert run.get(BackedUp).made


def test_an_archive_that_cannot_be_written_beside_fails_the_run(home, monkeypatch: pytest.MonkeyPatch):
    """In one sentence; nothing is published, nothing half-written stays."""

    def full(path: Path, *_: object) -> None:
        path.write_bytes(b"half")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))

    monkeypatch.setattr(backup, "write_archive", full)
    home.write(WORKSPACE, [session(id="s1")])
    before = everything(home.path)
    run = home.run(backup=True)
    assert isinstance(run.failure, DiskFull)
    assert everything(home.path) == before


def test_a_run_that_fails_keeps_no_archive(home):
    """The archive was begun, but the run never came to the point where it counts."""
    home.write(WORKSPACE, [session(id="s1", status="odd")])
    before = everything(home.path)
    run = home.run(backup=True, strict=True)
    assert run.get(Begun).backup and run.failure
    assert everything(home.path) == before


def test_a_database_that_came_meanwhile_is_in_the_backup(home):
    """Then what was begun is not the whole of it."""
    home.write(WORKSPACE, [session(id="s1")])
    run = pipeline.start(ait42_home=str(home.path), dry_run=False)
    for stage in (pipeline.take_inventory, pipeline.begin_backup):
        run.step(stage)
    make_database(home)
    made = run.step(pipeline.back_up).backup
    run.close()
    assert made.database
    assert made.manifest.database == backup.sum_of(made.database)


def test_guides_own_command_restores(home):
    """`cd ~/.ait42 && tar -xzf sessions_backup_….tar.gz` brings every byte back, and sha256sum agrees."""
    home.write(WORKSPACE, [session(id="s1", task="東京 😀")])
    home.put("空白 と\n改行\\.json", "[]")
    home.put(f"{'長' * 80}.json", "[]")
    before = contents(home.path)

    made = backed_up(home).backup
    shutil.rmtree(home.path / "sessions")
    subprocess.run(f"cd {home.path} && tar -xzf {made.archive.name}", shell=True, check=True)

    assert contents(home.path) == before
    subprocess.run(["sha256sum", "-c", "--strict", f"sessions_backup_{made.id}.manifest"], cwd=home.path, check=True)


def test_names_that_are_no_text(home):
    """A file whose name is not UTF-8 comes back under exactly that name."""
    raw = os.fsencode(home.path / "sessions") + b"/\xff\xfe.json"
    Path(os.fsdecode(raw)).write_text("[]")

    made = backed_up(home).backup
    os.unlink(raw)
    subprocess.run(["tar", "-xzf", made.archive], cwd=home.path, check=True)

    assert os.path.exists(raw)


def test_it_is_of_what_was_read(home, monkeypatch):
    """The archive holds the copies: what the editor writes after the inventory is not in it."""
    file = home.write(WORKSPACE, [session(id="s1")])
    before = file.read_bytes()
    run = pipeline.start(ait42_home=str(home.path), dry_run=False)
    run.step(pipeline.take_inventory)
    file.write_text("[]")

    run.step(pipeline.back_up)
    run.close()

    with backup.opened(run.get(BackedUp).backup.archive) as (_, members):
        assert [b"".join(member.chunks) for member in members] == [before]


def test_private_and_without_traces(home):
    """Archive and copy are 0600 whatever the umask, and nothing else is left in the home."""
    home.write(WORKSPACE, [])
    make_database(home)
    old = os.umask(0)
    try:
        made = backed_up(home).backup
    finally:
        os.umask(old)

    assert [stat.S_IMODE(path.stat().st_mode) for path in (made.archive, made.database)] == [0o600, 0o600]
    assert {p.name for p in home.path.iterdir()} == {
        "sessions", "sessions.db", "workspace_mapping.json", made.archive.name, made.database.name,
    }  # fmt: skip


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_as_root_it_belongs_to_the_homes_owner(home):
    """What root makes, and what tar unpacks from it as root, belongs to the home's owner."""
    home.write(WORKSPACE, [])
    os.chown(home.path, 1234, 1234)

    made = backed_up(home).backup
    subprocess.run(["tar", "-xzf", made.archive], cwd=home.path, check=True)

    assert made.archive.stat().st_uid == 1234
    assert {path.stat().st_uid for path in (home.path / "sessions").iterdir()} == {1234}


def test_dry_run_and_backup_false_write_nothing(home):
    """Neither leaves anything (invariant 4), and each says so."""
    home.write(WORKSPACE, [session(id="s1")])
    before = everything(home.path)

    run = home.run(dry_run=True, backup=True)
    refused = backed_up(home, backup=False)

    assert everything(home.path) == before
    assert (run.get(BackedUp).backup, str(run.get(BackedUp))) == (None, "A dry run makes no backup")
    assert (refused.backup, str(refused)) == (None, "No backup was made, because backup = False")


def test_a_migration_makes_it_first(home):
    """Every real run leaves a checked archive of its session files."""
    file = home.write(WORKSPACE, [session(id="s1")])

    run = home.run(backup=True)

    made = run.get(BackedUp).backup
    assert (made.state, made.database, list(made.manifest.files)) == ("checked", None, [f"sessions/{file.name}"])
    assert [b.id for b in list_backups(Home(home.path))] == [made.id]


def test_what_cannot_be_read_is_named(home):
    """A file that is missing in the archive stands in the manifest and in the result, and the run goes on."""
    home.write(WORKSPACE, [session(id="s1")])
    (home.path / "sessions" / "pipe\n.json").mkdir()

    made = backed_up(home)

    assert made.missing == ("sessions/pipe\\n.json",)
    assert "could not be read: sessions/(redacted " in str(made)
    assert len(made.backup.manifest.files) == 1


def test_nothing_to_back_up(home):
    """A home without files and without a database has no backup."""
    assert backed_up(home).note == "There is nothing to back up"


def test_no_second_backup_of_the_same(home):
    """The newest backup is enough while files and database are as they were; a change of either makes a new one."""
    file = home.write(WORKSPACE, [session(id="s1")])
    make_database(home)
    first = backed_up(home)

    assert (backed_up(home).made, backed_up(home).backup.id) == (False, first.backup.id)

    with closing(database.connect(home.database)) as connection:
        connection.execute(
            "insert into migration_runs (run_id, kind, started_at, kit_version) values ('r', 'migrate', 't', '1')"
        )
    assert not backed_up(home).made, "that a run was noted is nothing to go back to"

    with closing(database.connect(home.database)) as connection:
        connection.execute("update sessions set task = 'other' where id = 's1'")
    second = backed_up(home)
    assert second.made and second.backup.id > first.backup.id

    file.write_text("[ ]")
    assert backed_up(home).made


def test_a_damaged_one_is_made_anew(home):
    """That the newest backup is of the same does not help when it cannot be read any more."""
    home.write(WORKSPACE, [session(id="s1")])
    first = backed_up(home).backup
    damage(first.archive, -5)

    second = backed_up(home)

    assert second.made
    assert [b.id for b in list_backups(Home(home.path))] == [second.backup.id, first.id]


def test_the_database_of_before(home):
    """The copy is one file without side files, holds what is still in the log, and its sum is in the manifest."""
    home.write(WORKSPACE, [])
    with closing(database.connect(home.database)) as editor:
        editor.execute(
            "insert into sessions (id, workspace_path, type, task, status, created_at, updated_at)"
            " values ('live', '/w', 'debate', 'x', 'paused', 't', 't')"
        )
        made = backed_up(home).backup
        editor.execute("update sessions set task = 'still here'")
        others = database.holders(home.database)

    with closing(sqlite3.connect(f"{made.database.as_uri()}?mode=ro", uri=True)) as copy:
        assert copy.execute("select id from sessions").fetchall() == [("live",)]
        assert copy.execute("pragma journal_mode").fetchone() == ("delete",)
    assert made.manifest.database == backup.sum_of(made.database)
    assert database.side_files(made.database) == []
    assert home.rows("select task from sessions") == [("still here",)]
    assert others == []


def test_copied_whole_while_the_editor_writes(home, tmp_path):
    """A copy that is taken between an editor's commits is of one moment."""
    make_database(home, tasks=("0", "0"))
    stop = threading.Event()

    def write():
        with closing(database.connect(home.database)) as connection:
            number = 0
            while not stop.is_set():
                number += 1
                with database.transaction(connection):
                    connection.execute("update sessions set task = ?", (number,))

    editor = threading.Thread(target=write)
    editor.start()
    try:
        for number in range(20):
            copy = tmp_path / f"{number}.db"
            backup.snapshot(home.database, copy)
            with closing(sqlite3.connect(copy)) as connection:
                assert len(set(connection.execute("select task from sessions"))) == 1
    finally:
        stop.set()
        editor.join()


def test_somebody_holds_the_lock(home, tmp_path, monkeypatch):
    """A copy does not wait for ever: it says that somebody is in the way."""
    monkeypatch.setattr(backup, "open_existing", partial(database.open_existing, timeout=0.1))
    make_database(home)
    with closing(sqlite3.connect(home.database, isolation_level=None)) as other:
        other.execute("pragma journal_mode = delete")
        other.execute("begin exclusive")
        with pytest.raises(backup.DatabaseLocked, match="another program holds the lock"):
            backup.snapshot(home.database, tmp_path / "copy.db")


def test_an_untouched_original(home, tmp_path):
    """A copy for a dry run leaves nothing beside the database."""
    make_database(home)
    before = everything(home.path)

    backup.snapshot(home.database, tmp_path / "copy.db", untouched=True)

    assert everything(home.path) == before


def test_an_original_that_moved_meanwhile(home, tmp_path, monkeypatch):
    """What is read without a lock is of one moment, or refused."""
    make_database(home)
    real = backup.copy_pages

    def copy_while_somebody_writes(source, target):
        real(source, target)
        with closing(database.connect(home.database)) as editor:
            editor.execute("update sessions set task = 'x'")

    monkeypatch.setattr(backup, "copy_pages", copy_while_somebody_writes)

    with pytest.raises(backup.DatabaseLocked, match="written to it meanwhile"):
        backup.snapshot(home.database, tmp_path / "copy.db", untouched=True)


def test_too_little_space(home, monkeypatch):
    """The space is looked at before anything is written."""
    home.write(WORKSPACE, [session(id="s1")])
    run = pipeline.start(ait42_home=str(home.path), dry_run=False)
    run.step(pipeline.take_inventory)
    monkeypatch.setattr("shutil.disk_usage", lambda _: shutil._ntuple_diskusage(10, 9, 1))

    run.step(pipeline.back_up)
    run.close()

    assert type(run.failure).__name__ == "DiskFull"
    assert list_backups(Home(home.path)) == []


def test_read_back_before_it_counts(home, monkeypatch):
    """An archive that does not read back as it was written stops the run, and never takes its place."""
    home.write(WORKSPACE, [session(id="s1")])
    monkeypatch.setattr(backup, "sync_file", lambda path: damage(path, -5))

    with pytest.raises(BackupRefused, match="does not read back"):
        backed_up(home)
    assert [p.name for p in home.path.iterdir() if "backup" in p.name] == []


# Reading one ----------------------------------------------------------------------------------------------------------


def damage(path: Path, place: int) -> None:
    content = bytearray(path.read_bytes())
    content[place] ^= 0x40
    path.write_bytes(content)


@pytest.fixture
def good(home) -> Backup:
    """A checked backup of two files and a database."""
    home.write(WORKSPACE, [session(id="s1", task="一")])
    home.write("/home/aki/blog", [session(id="s2", task="二")])
    make_database(home)
    return backed_up(home).backup


def test_there_and_back(home, good, tmp_path):
    """A backup restored into a folder is the home's files, and a database that says the same."""
    folder = tmp_path / "restored"
    folder.mkdir()

    restore_to(good, folder)

    assert contents(folder) == contents(home.path)
    with closing(sqlite3.connect(folder / "sessions.db")) as connection:
        assert connection.execute("select task from sessions order by id").fetchall() == [("one",), ("two",)]


def test_list(home, good):
    """Backups stand newest first with what they hold; other files of such names are none."""
    (home.path / "sessions_backup_20250115.tar.gz").write_bytes(b"somebody's own")
    (home.path / "sessions_backup_20250115T000000Z.tar.gz").mkdir()
    (home.path / "sessions_backup_20250116T000000Z.tar.gz").symlink_to(good.archive)
    shutil.copy(good.database, home.path / "sessions_before_rollback_20990101T000000Z.db")

    found = list_backups(Home(home.path))

    assert [(b.id, b.aside, bool(b.archive), bool(b.database), b.state) for b in found] == [
        ("20990101T000000Z", True, False, True, "listed"),
        (good.id, False, True, True, "listed"),
    ]
    assert found[1].manifest == good.manifest
    assert 0 <= found[1].age.total_seconds() < 60
    assert found[1].size_bytes == good.archive.stat().st_size + good.database.stat().st_size


def test_every_changed_byte_is_found(good, tmp_path):
    """Whatever single byte of an archive changes: it is damaged, or unpacks to the very same bytes."""
    content = good.archive.read_bytes()
    archive = tmp_path / good.archive.name
    found = 0
    for place in range(len(content)):
        archive.write_bytes(content)
        damage(archive, place)
        if check_backup(Backup(good.id, archive)).state == "damaged":
            found += 1
        else:
            assert gzip.decompress(archive.read_bytes()) == gzip.decompress(content), place

    assert found > len(content) // 2


@pytest.mark.parametrize("share", [0.0, 0.2, 0.5, 0.99])
def test_cut_off(good, tmp_path, share):
    """An archive that is cut off anywhere is damaged."""
    content = good.archive.read_bytes()
    archive = tmp_path / good.archive.name
    archive.write_bytes(content[: int(len(content) * share)])

    checked = check_backup(Backup(good.id, archive))

    assert (checked.state, bool(checked.problem)) == ("damaged", True)


def test_the_copy_of_the_database_is_checked_too(good):
    """A changed byte in the copy of the database is found by its sum."""
    damage(good.database, -1)

    assert check_backup(good).problem == "it is not the copy that its manifest tells of"


def member(name: str, content: bytes = b"[]", **facts) -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    info.size = len(content)
    for key, value in facts.items():
        setattr(info, key, value)
    return info, content


def manifest_of(*names: str, content: bytes = b"[]", size: int | None = None) -> tuple[tarfile.TarInfo, bytes]:
    import hashlib

    digest = hashlib.sha256(content).hexdigest()
    held = Manifest(dict.fromkeys(names, digest), len(content) * len(names) if size is None else size)
    return member("sessions_backup_x.manifest", held.to_bytes("x"))


def archive_of(folder: Path, *members: tuple[tarfile.TarInfo, bytes], format: int = tarfile.GNU_FORMAT) -> Backup:
    path = folder / "sessions_backup_20250101T000000Z.tar.gz"
    with tarfile.open(path, "w:gz", format=format) as archive:
        for info, content in members:
            archive.addfile(info, io.BytesIO(content))
    return Backup("20250101T000000Z", path)


HOSTILE = {
    "absolute": ("/tmp/x.json",),
    "upwards": ("sessions/../../x.json",),
    "upwards_first": ("../sessions/x.json",),
    "deeper": ("sessions/a/x.json",),
    "elsewhere": ("x.json",),
    "the_folder_itself": ("sessions/..",),
    "no_json": ("sessions/x.sh",),
    "the_database": ("sessions.db",),
}


@pytest.mark.parametrize("names", HOSTILE.values(), ids=HOSTILE)
def test_names_that_lead_out(tmp_path, names):
    """A member that is no `sessions/<name>.json` is refused though the manifest names it, and nothing is written."""
    hostile = archive_of(tmp_path, manifest_of(*names), *(member(name) for name in names))
    folder = tmp_path / "a" / "b"
    folder.mkdir(parents=True)

    with pytest.raises(BackupRefused, match="is no session file"):
        restore_to(hostile, folder)

    assert [p.name for p in folder.rglob("*")] == ["sessions"]
    assert not Path("/tmp/x.json").exists() and not (tmp_path / "x.json").exists()


KINDS = {
    "symlink": {"type": tarfile.SYMTYPE, "linkname": "/etc/passwd"},
    "hardlink": {"type": tarfile.LNKTYPE, "linkname": "sessions_backup_x.manifest"},
    "fifo": {"type": tarfile.FIFOTYPE},
    "device": {"type": tarfile.CHRTYPE, "devmajor": 1, "devminor": 3},
    "folder": {"type": tarfile.DIRTYPE},
    "sparse": {"type": tarfile.GNUTYPE_SPARSE},
    "unknown": {"type": b"Z"},
}


@pytest.mark.parametrize("facts", KINDS.values(), ids=KINDS)
def test_only_regular_files(tmp_path, facts):
    """Links, devices, pipes, folders and what else tar knows are refused."""
    hostile = archive_of(tmp_path, manifest_of("sessions/a.json"), member("sessions/a.json", b"", **facts))
    folder = tmp_path / "restored"
    folder.mkdir()

    with pytest.raises(BackupRefused, match="is no regular file"):
        restore_to(hostile, folder)
    assert list((folder / "sessions").iterdir()) == []


def test_a_link_that_lies_there_is_not_followed(tmp_path, good):
    """A file is only ever made new: a link in the folder cannot lead the content elsewhere."""
    folder, victim = tmp_path / "restored", tmp_path / "victim"
    victim.write_text("mine")
    (folder / "sessions").mkdir(parents=True)

    with pytest.raises(FileExistsError):
        restore_to(good, folder)
    (folder / "sessions").rmdir()
    (folder / "sessions").symlink_to(tmp_path)
    with pytest.raises(FileExistsError):
        restore_to(good, folder)
    assert victim.read_text() == "mine"


UNLISTED = {
    "not_in_the_manifest": ([manifest_of("sessions/a.json"), member("sessions/b.json")], "not in its manifest"),
    "twice": (
        [manifest_of("sessions/a.json", size=99), member("sessions/a.json"), member("sessions/a.json")],
        "stands twice",
    ),
    "not_there": ([manifest_of("sessions/a.json")], "1 files of its manifest are not in it"),
    "other_content": ([manifest_of("sessions/a.json"), member("sessions/a.json", b"{}")], "is not what its manifest"),
    "more_than_told": ([manifest_of("sessions/a.json", size=1), member("sessions/a.json")], "more than its manifest"),
    "no_manifest": ([member("sessions/a.json")], "does not begin with its manifest"),
    "empty": ([], "does not begin with its manifest"),
    "manifest_of_nonsense": ([member("sessions_backup_x.manifest", b"\xff\x00 no sums\n")], "cannot be read"),
    "names_one_twice": (
        [member("sessions_backup_x.manifest", b"%b  sessions/a.json\n%b  sessions/a.json\n" % (b"0" * 64, b"1" * 64))],
        "names sessions/a.json twice",
    ),
}


@pytest.mark.parametrize(("members", "problem"), UNLISTED.values(), ids=UNLISTED)
def test_manifest_and_archive_agree(tmp_path, members, problem):
    """What is in one and not in the other, or otherwise than told, is refused."""
    assert problem in check_backup(archive_of(tmp_path, *members)).problem


def test_pax_headers_are_refused(tmp_path):
    """Headers of any length, as PAX has them, are no part of a backup."""
    name = f"sessions/{'長' * 80}.json"
    hostile = archive_of(tmp_path, manifest_of(name), member(name), format=tarfile.PAX_FORMAT)

    assert "is no regular file" in check_backup(hostile).problem


def test_bombs_take_no_memory(tmp_path):
    """A name or a manifest of gigabytes, and a file larger than told, are refused before they are read."""
    path = tmp_path / "sessions_backup_20250101T000000Z.tar.gz"
    zeros = bytes(1 << 20)
    for kind, size in ((tarfile.GNUTYPE_LONGNAME, 1 << 31), (tarfile.REGTYPE, 1 << 31), (tarfile.REGTYPE, 1 << 70)):
        info = member("sessions_backup_x.manifest", type=kind, size=size)[0]
        with gzip.open(path, "wb", 1) as bomb:
            bomb.write(info.tobuf(tarfile.GNU_FORMAT))
            for _ in range(64):
                bomb.write(zeros)
        assert check_backup(Backup("x", path)).problem in (
            "sessions_backup_x.manifest is no regular file", "its manifest is too large",
        )  # fmt: skip

    told = manifest_of("sessions/a.json", size=10**18 - 1)
    folder = tmp_path / "restored"
    folder.mkdir()
    with pytest.raises(Ait42Error, match="are free"):
        restore_to(archive_of(tmp_path, told, member("sessions/a.json")), folder)
    assert list((folder / "sessions").iterdir()) == []


def test_what_follows_the_end_is_refused(good):
    """Nothing hides behind the end of an archive."""
    content = gzip.decompress(good.archive.read_bytes())
    good.archive.write_bytes(gzip.compress(content + b"\0" * 9000 + b"hidden"))

    assert check_backup(good).problem == "something follows its end"


def test_manifest_there_and_back():
    """A manifest's text says all that it holds, whatever the files are called."""
    names = [f"sessions/{name}.json" for name in ("a", "b\nc\\n", "\udcff", " \u2028", "#")]
    held = Manifest({n: f"{i:064}" for i, n in enumerate(names)}, 7, "f" * 64, ("sessions/x\\ny.json",), True)

    read = Manifest.from_bytes(held.to_bytes("20250101T000000Z"), Path("x"))

    assert read == held


def test_result_says_what_is_there(home):
    """The result is one line for the report: the names, how much, and that it was checked."""
    home.write(WORKSPACE, [session(id="s1")])

    told = str(backed_up(home))

    assert told.startswith("sessions_backup_") and told.endswith("read back and checked") and "1 files" in told
    assert str(home.path) not in told
    json.dumps(told)
