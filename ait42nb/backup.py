"""The way back: an archive of the session files and a copy of the database, made before anything is published.

`tar -xzf` restores an archive where it lies, and `sha256sum -c` checks what that restored; the kit trusts no archive.
"""

from __future__ import annotations

import gzip
import hashlib
import os
import re
import sqlite3
import tarfile
import zlib
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager, nullcontext
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from io import BytesIO
from itertools import takewhile
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

import duckdb
from isal import igzip

from ait42nb import engine as duck
from ait42nb import redact
from ait42nb.database import (
    SIDE_FILES,
    driver_errors,
    inspect_database,
    open_existing,
    open_readonly,
    open_staging,
)
from ait42nb.display import size, visible
from ait42nb.errors import BackupRefused, DatabaseLocked, DatabaseRefused
from ait42nb.home import Home, give_to_owner, rename_without_overwriting, require_space, sync_folder
from ait42nb.inventory import File, Inventory, shown_name, with_copies

if TYPE_CHECKING:
    from ait42nb.pipeline import Run

# The backup is waited for: `isal` packs five times as fast as the standard library, which reads back what it wrote.
LEVEL = 1
# Of a manifest, and of one name: what a hostile archive may make us hold in memory.
LARGEST_MANIFEST = 64 << 20
LONGEST_NAME = 4096

_ID = "%Y%m%dT%H%M%SZ"
_NAMES = re.compile(r"sessions_(?P<kind>backup|before_rollback)_(?P<id>\d{8}T\d{6}Z)\.(?P<what>tar\.gz|db)", re.ASCII)
_ASIDE = "kept aside by a rollback"
_CHUNK = 1 << 20
# What a database says; the record of its runs grows with every run, and the rest follows from these.
CONTENT = (
    "sessions",
    "instances",
    "chat_messages",
    "migration_files",
    "migration_ledger",
    "migration_rejects",
    "migration_residue",
)


# What a backup is


@dataclass(frozen=True)
class Manifest:
    """What an archive holds: sums by real file name (`sessions/…`, bytes that are not UTF-8 as surrogates).

    Its text is what `sha256sum -c` reads; all else stands in comments.
    """

    files: dict[str, str]
    size_bytes: int = 0
    database: str | None = None  # the sum of the database's copy, which lies beside the archive
    missing: tuple[str, ...] = ()  # shown names, each on one line
    aside: bool = False

    def to_bytes(self, id_: str) -> bytes:
        lines = [f"# {len(self.files)} files, {self.size_bytes} bytes"]
        lines += [f"# {_ASIDE}"] * self.aside
        lines += [f"# missing: {name}" for name in self.missing]
        lines += [_sum_line(name, digest) for name, digest in self.files.items()]
        if self.database:
            lines.append(_sum_line(f"sessions_backup_{id_}.db", self.database))
        return os.fsencode("\n".join(lines) + "\n")

    @classmethod
    def from_bytes(cls, content: bytes, where: Path) -> Manifest:
        files: dict[str, str] = {}
        size_bytes, database, missing, aside = 0, None, [], False
        # not splitlines(): a file's name may hold what that takes for the end of a line
        for line in os.fsdecode(content).split("\n"):
            if found := re.fullmatch(r"# \d{1,12} files, (\d{1,18}) bytes", line):
                size_bytes = int(found[1])
            elif line.startswith("# missing: "):
                missing.append(line.removeprefix("# missing: "))
            elif found := re.fullmatch(r"(\\?)([0-9a-f]{64})  (.+)", line, re.DOTALL):
                name = re.sub(r"\\(.)", lambda m: "\n" if m[1] == "n" else m[1], found[3]) if found[1] else found[3]
                if name.startswith("sessions_backup_"):
                    database = found[2]
                elif name in files:
                    raise _refused(where, f"its manifest names {_shown(name)} twice")
                else:
                    files[name] = found[2]
            elif line and not line.startswith("#"):
                raise _refused(where, "its manifest cannot be read")
            aside = aside or line == f"# {_ASIDE}"
        return cls(files, size_bytes, database, tuple(missing), aside)


def _sum_line(name: str, digest: str) -> str:
    """As `sha256sum` writes it: a name that would break its line is escaped, and the line begins with a backslash."""
    line = _on_one_line(name)
    return f"{'' if line == name else chr(92)}{digest}  {line}"


def _on_one_line(name: str) -> str:
    return name.replace("\\", "\\\\").replace("\n", "\\n")


@dataclass(frozen=True)
class Backup:
    """What was kept at one time. `state` is listed, checked or damaged; `problem` says why.

    `aside` marks what a rollback replaced: it is there to undo that rollback, and is never the latest backup.
    """

    id: str
    archive: Path | None = None
    database: Path | None = None
    manifest: Manifest | None = None
    aside: bool = False
    state: str = "listed"
    problem: str = ""

    @property
    def size_bytes(self) -> int:
        return sum(path.stat().st_size for path in (self.archive, self.database) if path)

    @property
    def age(self) -> timedelta:
        return datetime.now(UTC) - datetime.strptime(self.id, _ID).replace(tzinfo=UTC)


def list_backups(home: Home) -> list[Backup]:
    """The backups that lie in a home, newest first. Only their manifests are read: see `check_backup`."""
    found: dict[str, dict[str, object]] = {}
    for path in sorted(home.path.iterdir()):
        name = _NAMES.fullmatch(path.name)
        if not name or path.is_symlink() or not path.is_file():
            continue
        backup = found.setdefault(name["id"], {})
        backup["archive" if name["what"] == "tar.gz" else "database"] = path
        backup["aside"] = backup.get("aside", False) or name["kind"] == "before_rollback"
    return sorted((_listed(Backup(id_, **facts)) for id_, facts in found.items()), key=lambda b: b.id, reverse=True)


def _listed(backup: Backup) -> Backup:
    if not backup.archive:
        return backup
    try:
        with opened(backup.archive) as (manifest, _):
            return replace(backup, manifest=manifest, aside=backup.aside or manifest.aside)
    except BackupRefused as error:
        return replace(backup, state="damaged", problem=error.problem)


# Making one


@dataclass(frozen=True)
class BackedUp:
    """The backup that a run can go back to, whether this run made it, and why there is none."""

    backup: Backup | None
    made: bool
    note: str

    def __str__(self) -> str:
        if not self.backup:
            return self.note
        names = " and ".join(path.name for path in (self.backup.archive, self.backup.database) if path)
        missing = ", ".join(redact.source_path(name, redact=True) for name in self.missing)
        return f"{names}: {self.note}" + (f"; could not be read: {missing}" if missing else "")

    @property
    def missing(self) -> tuple[str, ...]:
        """The session files that could not be read and are not in it."""
        return self.backup.manifest.missing if self.backup and self.backup.manifest else ()


@dataclass(frozen=True)
class Begun:
    """An archive that is being written and read back in a thread, and what it holds."""

    manifest: Manifest | None = None
    backup: Future[Backup] | None = None

    def holds(self, manifest: Manifest) -> bool:
        return self.backup is not None and self.manifest == manifest


def begin_backup(run: Run) -> Begun:
    """Write the archive beside the stages that follow, where it is certain that one is needed.

    That is the first run over a home. Where there is a database, or a backup, it depends on what those hold in the end.

    Reads:  the copies that `take_inventory` made
    Raises: DiskFull
    """
    if run.settings.dry_run or not run.settings.backup:
        return Begun()
    members, manifest = _contents(run, run.get(Inventory).files, None, aside=False)
    if not members or list_backups(run.home) or inspect_database(run.home.database).kind != "none":
        return Begun()
    require_space(run.work, manifest.size_bytes)
    beside, stop = ThreadPoolExecutor(1), Event()
    # What it reads and writes goes with the work folder; a run that fails does not wait for the whole of it.
    run.resources.callback(beside.shutdown)
    run.resources.callback(stop.set)
    wanted = takewhile(lambda _: not stop.is_set(), members)
    return Begun(manifest, beside.submit(_pack, run, "archive", _new_id(()), manifest, wanted))


def back_up(run: Run) -> BackedUp:
    """Keep the session files as they were read, and the database as it is, before anything is published.

    Reads:   the copies that `take_inventory` made, and the database
    Makes:   sessions_backup_{UTC time}.tar.gz in the home, and .db where there is a database
    Raises:  DiskFull; BackupRefused, when what was written does not read back
    Rule:    nothing in a dry run (invariant 4); no second backup of the same
    """
    if run.settings.dry_run:
        return BackedUp(None, False, "A dry run makes no backup")
    if not run.settings.backup:
        return BackedUp(None, False, "No backup was made, because backup = False")
    return keep(run)


def keep(run: Run, *, database: bool = True, aside: bool = False) -> BackedUp:
    """Make a backup, unless the newest one holds the same.

    database: the database too, not only the session files
    aside:    it is of what a rollback is about to replace
    """
    inventory = run.get(Inventory)
    database = database and inspect_database(run.home.database).kind not in ("none", "empty")
    listed = list_backups(run.home)
    _, manifest = _contents(run, inventory.files, None, aside)
    if listed and inventory.nothing_changed and listed[0].manifest and listed[0].manifest.files == manifest.files:
        return BackedUp(listed[0], False, "holds the session files, and nothing has changed since the last run")
    begun = run.results.get(Begun, Begun())
    there = begun.holds(manifest) and not listed and not database
    room = 0 if there else manifest.size_bytes
    require_space(run.work, room + (_database_size(run.home.database) if database else 0))
    folder = run.work / "backup"
    folder.mkdir(mode=0o700, exist_ok=True)
    copy = folder / "sessions.db" if database else None
    if not (manifest.files or copy):
        return BackedUp(None, False, "There is nothing to back up")
    with ThreadPoolExecutor(1) as beside:
        copied = beside.submit(snapshot, run.home.database, copy) if copy else None
        files = with_copies(run)
        if copied:
            copied.result()
    if listed and _holds(run.engine, listed[0], manifest, copy):
        newest = check_backup(listed[0])
        if newest.state == "checked":
            return BackedUp(newest, False, "holds the same already, and was checked again")
    members, manifest = _contents(run, files, copy, aside)
    made = begun.backup.result() if there else _pack(run, "backup", _new_id(listed), manifest, members, copy)
    archive = made.archive
    if made.state != "checked":
        raise BackupRefused(
            archive.name, f"does not read back as it was written: {made.problem}", "Nothing was published; run again"
        )
    # The archive last: with it the backup is there.
    kept_copy = copy and move_into(run.home, copy, f"sessions_backup_{made.id}.db")
    kept = replace(made, archive=move_into(run.home, archive, archive.name), database=kept_copy)
    note = f"{len(members)} files, {size(kept.size_bytes)}, read back and checked"
    return BackedUp(kept, True, note)


def _pack(
    run: Run, name: str, id_: str, manifest: Manifest, members: Iterable[tuple[str, File]], copy: Path | None = None
) -> Backup:
    """Write an archive into a folder of that name below the work folder, and read it back."""
    folder = run.work / name
    folder.mkdir(mode=0o700, exist_ok=True)
    archive = folder / f"sessions_backup_{id_}.tar.gz"
    write_archive(archive, id_, manifest, members, run.home.path)
    return check_backup(Backup(id_, archive, copy, manifest, manifest.aside))


def _contents(
    run: Run, files: Iterable[File], copy: Path | None, aside: bool
) -> tuple[list[tuple[str, File]], Manifest]:
    """What an archive of these files is to hold, under their real names."""
    names = real_names(run.home.sessions)
    shown = [(file.source_path.removeprefix("sessions/"), file) for file in files if file.sha256]
    members = [(f"sessions/{names.get(name, name)}", file) for name, file in shown]
    return members, Manifest(
        {name: file.sha256 for name, file in members},
        sum(file.size_bytes for _, file in members),
        sum_of(copy) if copy else None,
        tuple(_on_one_line(file.source_path) for file in files if not file.sha256),
        aside,
    )


def _database_size(database: Path) -> int:
    return sum(p.stat().st_size for p in (database, Path(f"{database}{SIDE_FILES[0]}")) if p.exists())


def real_names(sessions: Path) -> dict[str, str]:
    """The files' names by how the inventory shows them: they differ where a name is not UTF-8."""
    return {shown_name(name): name for name in os.listdir(sessions)} if sessions.is_dir() else {}


def _new_id(listed: Iterable[Backup]) -> str:
    """The time, to the second; a second later where that is taken."""
    taken, moment = {backup.id for backup in listed}, datetime.now(UTC)
    while f"{moment:{_ID}}" in taken:
        moment += timedelta(seconds=1)
    return f"{moment:{_ID}}"


def new_id(home: Home) -> str:
    """The id of what is kept next."""
    return _new_id(list_backups(home))


def _holds(engine: duck.Engine, newest: Backup, manifest: Manifest, copy: Path | None) -> bool:
    """Whether the newest backup has the same files, and a database that says the same."""
    if not newest.manifest or newest.manifest.files != manifest.files:
        return False
    if copy is None:
        return manifest.aside or newest.database is None
    return newest.database is not None and same_content(engine, copy, newest.database)


def same_content(engine: duck.Engine, one: Path, other: Path) -> bool:
    """Whether two databases that nobody uses say the same, whatever they note of the runs that made them so."""
    try:
        with duck.attached(engine, one, "one"), duck.attached(engine, other, "other"):
            return all(_fingerprint(engine, f"one.{t}") == _fingerprint(engine, f"other.{t}") for t in CONTENT)
    except duckdb.Error:
        return False  # a table is missing, or holds what DuckDB cannot read: not known to be the same


def _fingerprint(engine: duck.Engine, table: str) -> tuple[object, ...]:
    return engine.table(table).aggregate("count(*), sum(hash(*columns(*)))").fetchone()


def snapshot(database: Path, target: Path, *, untouched: bool = False) -> None:
    """Copy a database that others may be using into one private file, in one step, and examine the copy.

    untouched: leave no trace beside the original, as a dry run must

    Raises: DatabaseLocked, DatabaseRefused, DiskFull
    """
    opened = open_readonly if untouched else open_existing
    in_use = Path(f"{database}{SIDE_FILES[0]}").exists()
    with driver_errors(database), closing(opened(database)) as source:
        before = database.stat()
        copy_pages(source, target)
        after = database.stat()
    # What nobody has open is read without a lock: somebody who came meanwhile may have changed it half way through.
    if untouched and not in_use and (before.st_mtime_ns, before.st_size) != (after.st_mtime_ns, after.st_size):
        raise DatabaseLocked(
            database, "another program has written to it meanwhile", "Close the editor and run this again"
        )
    if problem := find_damage(target):
        raise DatabaseRefused(database, f"it is damaged: {problem}", "Restore a backup with rollback.ipynb")


def copy_pages(source: sqlite3.Connection, target: Path) -> None:
    """Copy a database, as it is, from an open connection into a new private file (0600) without side files."""
    os.close(os.open(target, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
    with closing(open_staging(target)) as copy:
        run_backup(source, copy)
        # A reader of a file in WAL mode would leave side files beside it.
        copy.execute("pragma journal_mode = delete")
    sync_file(target)


def run_backup(source: sqlite3.Connection, target: sqlite3.Connection) -> None:
    """SQLite's own copy of all pages in one step: a backup in several starts over whenever somebody writes.

    Raises: DatabaseLocked, where sqlite3 itself would wait for ever
    """

    def give_up(status: int, remaining: int, total: int) -> None:
        if status in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            raise DatabaseLocked("the database", "another program holds the lock", "Close the editor and run again")

    source.backup(target, pages=-1, progress=give_up)


def find_damage(database: Path) -> str:
    """What is wrong with a database, in words, or ''."""
    try:
        with driver_errors(database), closing(open_readonly(database)) as connection:
            found = connection.execute(duck.sql("database/damage")).fetchone()
            return visible(found[0]) if found else ""
    except DatabaseRefused as error:
        return error.problem


def write_archive(path: Path, id_: str, manifest: Manifest, members: Iterable[tuple[str, File]], home: Path) -> None:
    """Write a private archive (0600): the manifest, then each file's copy under its real name."""
    owner = home.stat()
    handle = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    with (
        os.fdopen(handle, "wb") as file,
        igzip.IGzipFile("", "wb", LEVEL, file, mtime=0) as packed,
        # GNU's format has names as the bytes that they are on disk.
        tarfile.open(fileobj=packed, mode="w", format=tarfile.GNU_FORMAT, copybufsize=_CHUNK) as archive,
    ):

        def member(name: str, size_bytes: int, mtime: int) -> tarfile.TarInfo:
            info = tarfile.TarInfo(name)
            info.size, info.mtime, info.mode, info.uid, info.gid = size_bytes, mtime, 0o600, owner.st_uid, owner.st_gid
            return info

        content = manifest.to_bytes(id_)
        head = member(path.name.removesuffix(".tar.gz") + ".manifest", len(content), int(datetime.now(UTC).timestamp()))
        archive.addfile(head, BytesIO(content))
        for name, source in members:
            with source.copy.open("rb") as copy:
                archive.addfile(member(name, source.size_bytes, source.mtime_ns // 10**9), copy)
    sync_file(path)


def sync_file(path: Path) -> None:
    """See a file on the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def move_into(home: Home, part: Path, name: str) -> Path:
    """Let a finished file take its place in the home; what is there already is never overwritten."""
    target = home.path / name
    give_to_owner(part, home.path)
    rename_without_overwriting(part, target)
    sync_folder(home.path)
    return target


def sum_of(path: Path) -> str:
    """A file's SHA-256, hexadecimal. Never of a database that is in use: opening it loses SQLite's locks."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def page_sum(database: Path) -> str:
    """As `sum_of`, without what SQLite counts up in a file's header with each write (bytes 24 to 27 and 92 to 99)."""
    with database.open("rb") as file:
        head = file.read(100)
        digest = hashlib.sha256(head[:24] + head[28:92])
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


# Reading one, trusting nothing


class Member(NamedTuple):
    """One file of an archive; `chunks` are to be read before the next member."""

    name: str
    size_bytes: int
    chunks: Iterator[bytes]


def check_backup(backup: Backup) -> Backup:
    """Read all that a backup has, and compare it with the manifest.

    Returns: the backup with its state: checked, or damaged with the problem
    """
    try:
        with ThreadPoolExecutor(1) as beside:
            examined = beside.submit(_examine, backup.database) if backup.database else None
            manifest = _walk(backup.archive) if backup.archive else None
            if examined:
                _require_sound(backup.database, manifest, *examined.result())
    except BackupRefused as error:
        return replace(backup, state="damaged", problem=error.problem)
    return replace(backup, manifest=manifest, state="checked", problem="")


def restore_to(backup: Backup, folder: Path) -> None:
    """Restore a backup into an empty private folder, as a home.

    Makes:  sessions/… from the archive, sessions.db from the database's copy
    Raises: BackupRefused, when it is damaged or hostile; DiskFull, before anything is written
    """
    (folder / "sessions").mkdir(mode=0o700)
    manifest = _walk(backup.archive, folder) if backup.archive else None
    if backup.database:
        _require_sound(backup.database, manifest, *_examine(backup.database))
        snapshot(backup.database, folder / "sessions.db", untouched=True)


def _examine(database: Path) -> tuple[str, str]:
    """A copy's sum, and what is wrong with it."""
    return sum_of(database), find_damage(database)


def _require_sound(database: Path, manifest: Manifest | None, digest: str, problem: str) -> None:
    if manifest and manifest.database and manifest.database != digest:
        raise _refused(database, "it is not the copy that its manifest tells of")
    if problem:
        raise _refused(database, problem)


def _walk(archive: Path, folder: Path | None = None) -> Manifest:
    """Read an archive to its end, each file's sum compared; into a folder, if there is one."""
    with opened(archive) as (manifest, members):
        awaited, room = dict(manifest.files), manifest.size_bytes
        if folder:
            require_space(folder, room)
        for member in members:
            if not re.fullmatch(r"sessions/[^/\0]*\.json", member.name, re.DOTALL):
                raise _refused(archive, f"{_shown(member.name)} is no session file")
            expected = awaited.pop(member.name, None)
            if expected is None:
                raise _refused(archive, f"{_shown(member.name)} stands twice in it, or not in its manifest")
            room -= member.size_bytes
            if room < 0:
                raise _refused(archive, "it holds more than its manifest says")
            digest = hashlib.sha256()
            with _new_file(folder / member.name) if folder else nullcontext() as file:
                for chunk in member.chunks:
                    digest.update(chunk)
                    if file:
                        file.write(chunk)
            if digest.hexdigest() != expected:
                raise _refused(archive, f"{_shown(member.name)} is not what its manifest says")
        if awaited:
            raise _refused(archive, f"{len(awaited)} files of its manifest are not in it")
    return manifest


def _new_file(path: Path) -> BinaryIO:
    return os.fdopen(os.open(path, os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_WRONLY, 0o600), "wb")


@contextmanager
def opened(archive: Path) -> Iterator[tuple[Manifest, Iterator[Member]]]:
    """Open an archive: its manifest, and its members in their order.

    Raises: BackupRefused, also while the members are read
    Rule:   nothing in it is trusted; what it claims takes no more memory than a manifest may
    """
    try:
        with gzip.open(archive, "rb") as stream:
            members = _members(stream, archive)
            first = next(members, None)
            if not first or not re.fullmatch(r"sessions_backup_[^/]*\.manifest", first.name):
                raise _refused(archive, "it does not begin with its manifest")
            if first.size_bytes > LARGEST_MANIFEST:
                raise _refused(archive, "its manifest is too large")
            yield Manifest.from_bytes(b"".join(first.chunks), archive), members
    except (gzip.BadGzipFile, zlib.error, EOFError, tarfile.HeaderError) as error:
        raise _refused(archive, "it is cut off, or was changed") from error


def _members(stream: BinaryIO, where: Path) -> Iterator[Member]:
    """The files of a tar stream. tarfile itself would follow links and hold names of any length in memory."""
    while any(block := _exactly(stream, tarfile.BLOCKSIZE)):
        info = tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
        if info.type == tarfile.GNUTYPE_LONGNAME and 0 < info.size <= LONGEST_NAME:
            name = os.fsdecode(b"".join(_chunks(stream, info.size)).rstrip(b"\0"))
            info = tarfile.TarInfo.frombuf(_exactly(stream, tarfile.BLOCKSIZE), "utf-8", "surrogateescape")
            info.name = name
        if info.type not in (tarfile.REGTYPE, tarfile.AREGTYPE) or info.size < 0:
            raise _refused(where, f"{_shown(info.name)} is no regular file")
        chunks = _chunks(stream, info.size)
        yield Member(info.name, info.size, chunks)
        for _ in chunks:
            pass
    if any(stream.read(_CHUNK)) or stream.read(1):
        raise _refused(where, "something follows its end")


def _chunks(stream: BinaryIO, left: int) -> Iterator[bytes]:
    padding = -left % tarfile.BLOCKSIZE
    while left:
        chunk = _exactly(stream, min(left, _CHUNK))
        left -= len(chunk)
        yield chunk
    _exactly(stream, padding)


def _exactly(stream: BinaryIO, count: int) -> bytes:
    content = stream.read(count)
    if len(content) < count:
        raise EOFError
    return content


def _refused(where: Path, problem: str) -> BackupRefused:
    return BackupRefused(where.name, problem, "Choose another backup, or look at this one with tar -tzf")


def _shown(name: str) -> str:
    return visible(name)[:200]
