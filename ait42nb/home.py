"""The folder that is migrated: its paths, its lock, its work folder, and files written whole or not at all."""

from __future__ import annotations

import ctypes
import errno
import fcntl
import hashlib
import os
import secrets
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from ait42nb.errors import DatabaseRefused, DiskFull, HomeError, RunInProgress

WORK_PREFIX = ".ait42nb-"

# A full disk, a quota, and a limit for each file.
NO_SPACE = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


def new_run_id() -> str:
    """Sorts by time, to the microsecond, and is unique: `20251101T090000Z-1a2b3c`."""
    moment = datetime.now(UTC)
    return f"{moment:%Y%m%dT%H%M%SZ}-{moment.microsecond:05x}{secrets.token_hex(1)[0]}"


def now() -> str:
    """The time as the kit writes it: RFC 3339, UTC, milliseconds."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def digest(path: str) -> str:
    """The name under which a workspace's sessions lie: 16 hex digits of SHA-256 over its normalised path."""
    return hashlib.sha256(path.encode("utf-8", "surrogatepass")).hexdigest()[:16]


class Home:
    """`ait42_home` and what lies in it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.sessions = path / "sessions"
        self.database = path / "sessions.db"
        self.mapping = path / "workspace_mapping.json"
        self.accepted = path / "workspace_mapping_accepted.json"
        self.cleared: list[Path] = []  # what killed runs had left

    def require(self, *, writable: bool) -> None:
        """Raises: HomeError, when there is no such folder or it cannot be read (or written, for a real run)."""
        if not self.path.is_dir():
            raise HomeError(self.path, "there is no such folder", "Give the editor's folder as ait42_home")
        if not self.sessions.is_dir() and not self.database.exists():
            raise HomeError(
                self.path,
                "there is no folder 'sessions' in it",
                "Give the folder that holds 'sessions' as ait42_home; ls -la shows what it holds",
            )
        if self.sessions.is_dir() and not os.access(self.sessions, os.R_OK | os.X_OK):
            raise HomeError(self.sessions, "may not be read", f"Give yourself the right: chmod u+rx {self.sessions}")
        if writable and not os.access(self.path, os.W_OK | os.X_OK):
            raise HomeError(
                self.path, "may not be written", "Give yourself the right (chmod u+w), or keep dry_run = True"
            )
        # SQLite would find out late, and leave side files that it may not remove.
        if writable and self.database.is_file() and not os.access(self.database, os.R_OK | os.W_OK):
            raise HomeError(
                self.database, "may not be written", "Give yourself the right (chmod u+rw), or keep dry_run = True"
            )

    @contextmanager
    def locked(self) -> Iterator[None]:
        """One run at a time: a lock on the folder itself leaves no file and dies with its process.

        Raises: RunInProgress, naming the process that holds it where that can be known
        """
        handle = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY)
        try:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                holder = lock_holder(handle)
                raise RunInProgress(
                    self.path,
                    f"another run works here{holder and f' ({holder})'}",
                    "Wait until it has ended, or end it, and run again",
                ) from error
            yield
        finally:
            os.close(handle)

    def leftovers(self) -> list[Path]:
        """What runs that were killed left: work folders, half-written mappings. Ask only while holding the lock."""
        folders = [p for p in self.path.glob(f"{WORK_PREFIX}*") if p.is_dir() and not p.is_symlink()]
        parts = [p for file in (self.mapping, self.accepted) for p in self.path.glob(f".{file.name}-????????")]
        return sorted([*folders, *(p for p in parts if p.is_file() and not p.is_symlink())])

    @contextmanager
    def work_folder(self, run_id: str, *, dry_run: bool) -> Iterator[Path]:
        """A private folder (0700), gone afterwards; of a real run in the home, so that publishing is a rename.

        A real run clears away what killed ones left, before it looks for space. Ask only while holding the lock.
        """
        if dry_run:
            folder = Path(tempfile.mkdtemp(prefix="ait42nb-"))
        else:
            self.cleared = self.leftovers()
            for left in self.cleared:
                shutil.rmtree(left, ignore_errors=True) if left.is_dir() else left.unlink(missing_ok=True)
            folder = self.path / f"{WORK_PREFIX}{run_id}"
            folder.mkdir(mode=0o700)
            give_to_owner(folder, self.path)
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def lock_holder(handle: int) -> str:
    """Who holds the flock on an open file: 'pid 123 (python)', or '' where that cannot be known."""
    inode = os.fstat(handle).st_ino
    try:
        lines = Path("/proc/locks").read_text().splitlines()
    except OSError:
        return ""
    for line in lines:
        fields = line.split()
        if "FLOCK" in fields and fields[5].rpartition(":")[2] == str(inode):
            pid = fields[4]
            try:
                return f"process {pid}, {Path(f'/proc/{pid}/comm').read_text().strip()}"
            except OSError:
                return f"process {pid}"
    return ""


def give_to_owner(path: Path, home: Path) -> None:
    """As root, what is made in somebody's home belongs to them."""
    if os.geteuid() == 0:
        owner = home.stat()
        os.chown(path, owner.st_uid, owner.st_gid, follow_symlinks=False)


@contextmanager
def as_owner(home: Path, needed: Path) -> Iterator[None]:
    """As root on Linux: this thread, and those that it starts, reach only the files that the home's owner may reach.

    So says the kernel, whatever links the owner lays meanwhile. Anywhere else, and in root's own home, nothing changes.

    Raises: HomeError, when that leaves out a file that is needed, or this root has no such power
    """
    owner = home.stat()
    if sys.platform != "linux" or os.geteuid() != 0 or owner.st_uid == 0:
        yield
        return
    system = ctypes.CDLL(None)
    os.setgroups([])  # of the whole process: root needs none
    system.setfsgid(owner.st_gid)
    system.setfsuid(owner.st_uid)
    try:
        if system.setfsuid(-1) != owner.st_uid:  # changes nothing, and tells who it is
            raise HomeError(home, f"may not be used as its owner, user {owner.st_uid}", "Run as that user")
        try:
            needed.open("rb").close()
        except PermissionError as error:
            raise HomeError(
                needed.parent,
                f"may not be read by user {owner.st_uid}, whose home this is",
                "Install the kit where everybody may read it, such as in /opt",
            ) from error
        yield
    finally:
        system.setfsuid(0)
        system.setfsgid(0)


def refuse_links(home: Path) -> None:
    """Raises: HomeError, when the home, or one of the files in it that a run reads or writes, is a link out of it."""
    ours = [path for path in home.iterdir() if path.name.startswith(("sessions", "workspace_mapping"))]
    for path in [home, *ours]:
        if path.is_symlink() and (path == home or not path.resolve().is_relative_to(home.resolve())):
            raise HomeError(path, "is a link, and as root none is followed", "Put there what it leads to")


def write_atomically(path: Path, text: str) -> None:
    """Write a private file (0600) whole or not at all, over what was there; a link is replaced, not followed."""
    handle, name = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)
    temporary = Path(name)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        give_to_owner(temporary, path.parent)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make a rename in this folder survive a power cut."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def require_space(folder: Path, needed: int) -> None:
    """Raises: DiskFull, when fewer than `needed` bytes are free where `folder` lies."""
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise DiskFull(
            folder,
            f"about {needed / 1e6:,.0f} MB are needed and {free / 1e6:,.0f} MB are free",
            "Free some space (df -h shows where) and run again; nothing was written",
        )


def rename_without_overwriting(source: Path, target: Path) -> None:
    """Rename, atomically, and only if there is no target.

    Raises: DatabaseRefused, when there is one
    """
    try:
        if not _renameat2(source, target):
            os.link(source, target, follow_symlinks=False)
            source.unlink()
    except FileExistsError as error:
        raise DatabaseRefused(
            target, "it has appeared during the run", "Nothing was overwritten; run again, it will be merged"
        ) from error


def _renameat2(source: Path, target: Path) -> bool:
    """Linux's rename that never overwrites; False where there is none (then a hard link does the same)."""
    if sys.platform != "linux":
        return False
    at_cwd, no_replace = -100, 1
    rename = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if rename is None:
        return False
    if rename(at_cwd, os.fsencode(source), at_cwd, os.fsencode(target), no_replace) == 0:
        return True
    code = ctypes.get_errno()
    if code == errno.EEXIST:
        raise FileExistsError(code, os.strerror(code), str(target))
    return False
