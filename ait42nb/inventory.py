"""Which files there are: each copied once, hashed in the same pass, and proven to have stood still meanwhile."""

from __future__ import annotations

import hashlib
import json
import os
import re
import stat
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ait42nb import scan
from ait42nb.home import NO_SPACE, require_space
from ait42nb.recall import Recalled, Record

if TYPE_CHECKING:
    from ait42nb.pipeline import Run

# A file that the editor rewrites is whole again within milliseconds; one that never rests is held as unstable.
ATTEMPTS = 8
PAUSE = 0.05
# The copies, the staging database and DuckDB's spill lie beside each other.
SPACE_FACTOR = 4

_BOM = b"\xef\xbb\xbf"
_CHUNK = 1 << 20
# Every "id" of a text, of whatever. A value is only looked at: in a text that is no JSON it may hide another "id".
_ID = re.compile(rb'"(?:i|\\u0069)(?:d|\\u0064)"\s*+:\s*+(?=("(?:[^"\\]|\\.)*+"))', re.DOTALL)


@dataclass(frozen=True)
class File:
    """One `*.json` of the home.

    `state` is read, empty, unreadable, unstable, or unchanged since the run before: then it is not copied, and `record`
    is what that run wrote down. `odd` tells that the text has control characters that DuckDB would take for blanks.
    `source_path` is relative to the home.
    """

    file_no: int
    source_path: str
    workspace_hash: str
    state: str
    size_bytes: int = 0
    mtime_ns: int = 0
    sha256: str | None = None
    bom: bool = False
    odd: bool = False
    copy: Path | None = None
    detail: str | None = None
    record: Record | None = None


@dataclass(frozen=True)
class Inventory:
    """The files, in the order of their names. `ids`: every id in those that are read, where others are left alone."""

    files: tuple[File, ...]
    ids: frozenset[str] = frozenset()

    @property
    def unchanged(self) -> tuple[File, ...]:
        return tuple(f for f in self.files if f.state == "unchanged")

    @property
    def nothing_changed(self) -> bool:
        """Whether the run before has all of it on record: nothing is read."""
        return bool(self.unchanged) and not self.readable

    @property
    def readable(self) -> tuple[File, ...]:
        return tuple(f for f in self.files if f.state == "read")


def take_inventory(run: Run) -> Inventory:
    """Copy and hash the session files; each later stage reads the copies.

    What the run before has on record as it is, and shares no session with what is not, is left alone.

    Makes:   the copies, under plain numbers (DuckDB takes names as globs), in the work folder
    Raises:  DiskFull, when there is no room for what follows
    Rule:    sources are never written (invariant 5); size and mtime equal before and after, else read again (A10)
    """
    (run.work / "files").mkdir(mode=0o700)
    recalled = run.results.get(Recalled, Recalled())
    found = dict(enumerate(_find(run.home.sessions)))
    names = {number: f"sessions/{shown_name(path.name)}" for number, path in found.items()}
    files = {
        number: _unchanged(number, record)
        for number, path in found.items()
        if (record := recalled.files.get(names[number])) and record.known and _as_recorded(run.home.path, path, record)
    }
    taken = _take(run, {number: path for number, path in found.items() if number not in files}, SPACE_FACTOR)
    changed = {names[number] for number in taken} | recalled.files.keys() - set(names.values())
    ids: frozenset[str] = frozenset()
    if files and changed:
        ids = _ids(taken)
        related = recalled.related(changed, ids)
        more = _take(run, {number: found[number] for number in files if names[number] in related}, SPACE_FACTOR)
        taken, ids = taken | more, ids | _ids(more)
    files |= taken
    return Inventory(tuple(files[number] for number in found), ids)


def with_copies(run: Run) -> tuple[File, ...]:
    """The files, and of those that were left alone a copy of what they hold now."""
    files = run.get(Inventory).files
    paths = {f"sessions/{shown_name(path.name)}": path for path in _find(run.home.sessions)}
    left = [file for file in files if file.state == "unchanged"]
    wanted = {file.file_no: paths.get(file.source_path, run.home.sessions / "?") for file in left}
    taken = _take(run, wanted, space_factor=1)
    return tuple(taken.get(file.file_no, file) for file in files)


def _as_recorded(home: Path, path: Path, record: Record) -> bool:
    if _why_not(home, path):
        return False
    status = path.stat()
    return (status.st_size, status.st_mtime_ns) == (record.size_bytes, record.mtime_ns)


def _unchanged(number: int, record: Record) -> File:
    return File(
        number,
        record.source_path,
        record.workspace_hash,
        "unchanged",
        record.size_bytes,
        record.mtime_ns,
        record.sha256,
        record=record,
    )


def _ids(files: Mapping[int, File]) -> frozenset[str]:
    found: set[bytes] = set()
    for file in files.values():
        if file.state == "read":
            with scan.opened(file.copy) as text:
                found.update(match[1] for match in _ID.finditer(text))
    return frozenset(id_ for value in found for id_ in _decoded(value))


def _decoded(value: bytes) -> Iterator[str]:
    """A JSON string's text; none where it is no string, or nothing that could be stored."""
    with suppress(ValueError):
        text = json.loads(value, strict=False)
        text.encode()
        yield text


def _take(run: Run, wanted: Mapping[int, Path], space_factor: int) -> dict[int, File]:
    require_space(run.work, space_factor * sum(_size(path) for path in wanted.values()))
    with ThreadPoolExecutor(2) as pool:
        taken = pool.map(lambda job: take_file(run.home.path, run.work / "files", *job), wanted.items())
        return dict(zip(wanted, taken, strict=True))


def _find(sessions: Path) -> list[Path]:
    if not sessions.is_dir():
        return []
    with os.scandir(sessions) as entries:
        return sorted((Path(e.path) for e in entries if e.name.endswith(".json")), key=lambda p: os.fsencode(p.name))


def _size(path: Path) -> int:
    try:
        status = path.stat()
    except OSError:
        return 0
    return status.st_size if stat.S_ISREG(status.st_mode) else 0


def take_file(home: Path, folder: Path, number: int, path: Path) -> File:
    """Copy a file into the folder, once it stands still. Raises: OSError, where there is no room for the copy"""
    name = shown_name(path.name)
    named = {"file_no": number, "source_path": f"sessions/{name}", "workspace_hash": name.removesuffix(".json")}
    problem = _why_not(home, path)
    if problem:
        return File(**named, state="unreadable", detail=problem)
    copy = folder / f"{number:06}.json"
    first = None
    for attempt in range(ATTEMPTS):
        if attempt:
            time.sleep(PAUSE)
        try:
            facts, settled, last = _copy(path, copy)
        except OSError as error:
            if error.errno in NO_SPACE:
                raise  # it is the copy that has no room
            return File(**named, state="unreadable", detail=(error.strerror or "cannot be read").lower())
        # A plain rewrite begins by emptying the file; its writer may rest before the text has come to its end.
        just_begun = last != b"]" and time.time_ns() - facts["mtime_ns"] < 2e9
        if settled and (not just_begun or (facts == first and attempt == ATTEMPTS - 1)):
            return File(**named, **facts, copy=copy)
        first = first or facts
    copy.unlink(missing_ok=True)
    return File(**named, state="unstable", detail=f"was being written each of the {ATTEMPTS} times that it was read")


def shown_name(name: str) -> str:
    """A file's name as text, whatever bytes it is made of."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")


def _why_not(home: Path, path: Path) -> str | None:
    """Why a path is no file to read: a folder, a pipe, a link out of the home."""
    try:
        status = path.stat()
        if path.is_symlink() and not path.resolve().is_relative_to(home.resolve()):
            return "is a link that leads out of the home"
    except (OSError, RuntimeError) as error:
        return "is a link that leads nowhere" if path.is_symlink() else f"cannot be looked at: {type(error).__name__}"
    return None if stat.S_ISREG(status.st_mode) else "is no regular file"


def _copy(path: Path, copy: Path) -> tuple[dict[str, object], bool, bytes]:
    """Copy and hash in one pass; the facts, whether the file stood still meanwhile, and its last byte but blanks."""
    digest, size, last, odd = hashlib.sha256(), 0, b"", False
    # Without O_NONBLOCK a pipe that took the file's place meanwhile would hang the run.
    source = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(source, "rb", buffering=0) as reading, copy.open("wb", buffering=0) as writing:
        before = os.fstat(source)
        if not stat.S_ISREG(before.st_mode):
            raise OSError(0, "is no regular file")
        os.chmod(copy, 0o600)
        bom = False
        # A file that grows as fast as it is read has no end.
        while size <= before.st_size and (chunk := reading.read(_CHUNK)):
            digest.update(chunk)
            writing.write(chunk)
            if size == 0 and chunk.startswith(_BOM):
                bom, chunk = True, chunk[len(_BOM) :]
                size += len(_BOM)
            size += len(chunk)
            last = chunk.rstrip()[-1:] or last
            odd = odd or b"\x0b" in chunk or b"\x0c" in chunk
    after = path.stat()
    settled = (before.st_size, before.st_mtime_ns, before.st_ino) == (
        after.st_size,
        after.st_mtime_ns,
        after.st_ino,
    ) and size == before.st_size
    facts = {
        "state": "read" if last else "empty",
        "size_bytes": size,
        "mtime_ns": before.st_mtime_ns,
        "sha256": digest.hexdigest(),
        "bom": bom,
        "odd": odd,
    }
    return facts, settled, last
