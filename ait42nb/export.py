"""sessions.db -> JSON files as the editor writes them: the way back, for an editor that knows no database."""

from __future__ import annotations

import json
import os
import re
import sqlite3
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from functools import cache, partial
from json.encoder import encode_basestring as quoted
from pathlib import Path
from typing import TextIO

from ait42nb import scan
from ait42nb.database import check_migrations, driver_errors, open_readonly
from ait42nb.display import visible
from ait42nb.engine import sql
from ait42nb.errors import DatabaseLocked, DatabaseRefused, DiskFull, HomeError, SettingsError
from ait42nb.home import NO_SPACE, Home, give_to_owner, sync_folder
from ait42nb.mapping import workspace_hash

_HASH = re.compile("[0-9a-f]{16}")
_WRITTEN = re.compile(r"\.?[0-9a-f]{16}\.json")
_INTEGERS = {
    "timeoutSeconds", "winnerId", "totalDuration", "totalFilesChanged", "totalLinesAdded", "totalLinesDeleted",
    "instanceId", "filesChanged", "linesAdded", "linesDeleted",
}  # fmt: skip


@dataclass(frozen=True)
class ExportedFile:
    """One workspace's file, and what is in it."""

    name: str
    sessions: int
    instances: int
    messages: int
    bytes: int


@dataclass(frozen=True)
class Exported:
    """What was written. The `only_in_database` sessions have never stood in JSON; they come last in their files."""

    files: tuple[ExportedFile, ...]
    only_in_database: int

    @property
    def totals(self) -> dict[str, int]:
        kinds = ("sessions", "instances", "messages", "bytes")
        return {kind: sum(getattr(file, kind) for file in self.files) for kind in kinds}


def export_json(database: Path, output_dir: Path) -> Exported:
    """Write a file for each workspace that the editor of before the database opens.

    Reads:   one state of the database, whoever writes to it meanwhile
    Makes:   output_dir (0700) with the files (0600), all of them or none
    Raises:  SettingsError, when output_dir is neither new nor empty, or lies among the editor's own files;
             DatabaseRefused, also for a value over which the editor would refuse its whole file; DatabaseLocked;
             DiskFull; HomeError
    Rule:    there and back (invariant 3): what the columns cannot say comes from the residue, unless they have come to
             say it. What is held, shadowed or superseded is in no main table, and not here either
    """
    database, folder = Path(database), Path(output_dir).expanduser().resolve()
    _require_empty(folder, database)
    with _all_or_nothing(folder, database):
        with _snapshot(database) as connection:
            plan, only_in_database = _plan(connection)
            files = [_write_file(connection, folder, hash_, sessions) for hash_, sessions in sorted(plan.items())]
        for file in files:
            (folder / f".{file.name}").rename(folder / file.name)
        sync_folder(folder)
    return Exported(tuple(files), only_in_database)


# Where from, where to


@contextmanager
def _snapshot(database: Path) -> Iterator[sqlite3.Connection]:
    """The database as it is at one moment."""
    in_use = Path(f"{database}-wal").exists()
    with driver_errors(database), closing(open_readonly(database)) as connection:
        before = os.stat(database)
        if check_migrations(connection):
            raise DatabaseRefused(database, "it does not have the kit's schema", "Run migrate.ipynb, which sees to it")
        # the driver's own error would show the text that is no UTF-8
        connection.text_factory = partial(str, encoding="utf-8")
        connection.execute("begin")
        try:
            yield connection
        except UnicodeDecodeError as error:
            raise DatabaseRefused(
                database, "it holds text that is no UTF-8", "Look at it with validate.ipynb"
            ) from error
        after = os.stat(database)
    # What nobody has open is read without a lock: somebody who came meanwhile may have changed it half way through.
    if not in_use and (after.st_mtime_ns, after.st_size) != (before.st_mtime_ns, before.st_size):
        raise DatabaseLocked(
            database, "another program has written to it meanwhile", "Close the editor and run this again"
        )


def _require_empty(folder: Path, database: Path) -> None:
    sessions = Home(database.parent).sessions.resolve()
    with _file_errors(folder):
        # not by their paths alone: the disk may not care for the case of letters
        existing = [place for place in (folder, *folder.parents) if sessions.exists() and place.exists()]
        if folder.is_relative_to(sessions) or any(place.samefile(sessions) for place in existing):
            raise SettingsError(folder, "it lies where the editor keeps its own files", "Name a folder elsewhere")
        if folder.exists() and not (folder.is_dir() and next(folder.iterdir(), None) is None):
            raise SettingsError(folder, "it is not empty (ls -A shows what it holds)", "Name a new or an empty folder")


@contextmanager
def _all_or_nothing(folder: Path, database: Path) -> Iterator[None]:
    """Make the folder, and leave everything as it was if what follows fails."""
    made = not folder.exists()
    try:
        with _file_errors(folder):
            folder.mkdir(0o700, parents=True, exist_ok=True)
            if made:
                give_to_owner(folder, database.parent)
            with suppress(PermissionError):  # an empty folder may be somebody else's
                folder.chmod(0o700)
            yield
    except BaseException:
        with suppress(OSError):
            for path in folder.iterdir():
                if _WRITTEN.fullmatch(path.name):
                    path.unlink()
            if made:
                folder.rmdir()
        raise


@contextmanager
def _file_errors(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in NO_SPACE:
            raise DiskFull(folder, "the disk is full", "Free some space and run this again; nothing is left") from error
        problem = f"it cannot be used: {error.strerror}"
        raise HomeError(folder, problem, "Look at its permissions, or name another folder") from error


def _plan(connection: sqlite3.Connection) -> tuple[dict[str, list[str]], int]:
    """For each file's hash the ids of its sessions in their order; and how many of all have never stood in JSON."""
    hashes: dict[str, set[str]] = {}
    for workspace_path, hash_ in connection.execute(sql("export/workspaces")):
        hashes.setdefault(workspace_path, set()).add(hash_)

    @cache
    def hash_of(workspace_path: str) -> str:
        looked_for = workspace_hash(workspace_path)
        known = {hash_ for hash_ in hashes.get(workspace_path, ()) if _HASH.fullmatch(hash_)}
        return looked_for if looked_for in known or not known else min(known)

    plan: dict[str, list[str]] = {}
    only_in_database = 0
    for session_id, workspace_path, hash_, in_ledger in connection.execute(sql("export/sessions")):
        # nothing that the database says becomes a name unless it is a hash
        name = hash_ if hash_ and _HASH.fullmatch(hash_) else hash_of(workspace_path)
        plan.setdefault(name, []).append(session_id)
        only_in_database += not in_ledger
    return plan, only_in_database


# Writing, one session after the other


def _write_file(connection: sqlite3.Connection, folder: Path, hash_: str, sessions: Sequence[str]) -> ExportedFile:
    path = folder / f".{hash_}.json"
    counts: Counter[str] = Counter()
    with open(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w", encoding="utf-8", newline="\n") as file:
        give_to_owner(path, folder)
        for place, session_id in enumerate(sessions):
            file.write(",\n" if place else "[\n")
            try:
                _write_session(connection, file, session_id, counts)
            except (KeyError, TypeError, ValueError) as error:
                if isinstance(error, UnicodeError):
                    what = "text that is no UTF-8"
                else:
                    what = f"its {error}" if type(error) is ValueError else "its residue"
                raise DatabaseRefused(
                    f"session {visible(session_id)}",
                    f"the editor could not read {what}",
                    "Correct it in the database and run this again; nothing was written",
                ) from error
        file.write("\n]")
        file.flush()
        os.fsync(file.fileno())
        size = os.fstat(file.fileno()).st_size
    return ExportedFile(f"{hash_}.json", len(sessions), counts["instances"], counts["chatHistory"], size)


def _write_session(connection: sqlite3.Connection, file: TextIO, session_id: str, counts: Counter[str]) -> None:
    residue = {
        (entity, key): _raw(document)
        for entity, key, document in connection.execute(sql("export/residue"), {"session_id": session_id})
    }
    lists = {"instances": _instances, "chatHistory": _messages}
    keys, (row,) = _rows(connection, "session", session_id)
    separator = "  {\n    "
    for key, text in _members(keys, row, residue.get(("session", ""), {})):
        file.write(f"{separator}{quoted(key)}: ")
        separator = ",\n    "
        if key in lists:
            objects = _arranged(lists[key](connection, session_id, residue), residue.get(("order", key)))
            counts[key] += _write_list(file, objects)
        else:
            file.write(text)
    file.write("\n  }")


def _write_list(file: TextIO, objects: Iterable[str]) -> int:
    count = 0
    for text in objects:
        file.write(",\n      " if count else "[\n      ")
        file.write(text)
        count += 1
    file.write("\n    ]" if count else "[]")
    return count


def _arranged(objects: Iterable[tuple[object, str]], order: dict[str, str] | None) -> Iterator[str]:
    """The objects in the order of their rows; or in that of a list of keys, repeats included, and then the others."""
    if order is None:
        yield from (text for _, text in objects)
        return
    texts, keys = dict(objects), json.loads(order["order"])
    yield from (texts[key] for key in keys if key in texts)
    listed = set(keys)
    yield from (text for key, text in texts.items() if key not in listed)


def _instances(connection: sqlite3.Connection, session_id: str, residue: dict) -> Iterator[tuple[int, str]]:
    keys, rows = _rows(connection, "instances", session_id)
    for row in rows:
        yield row[0], _object(_members(keys, row, residue.get(("instance", str(row[0])), {})))


def _messages(connection: sqlite3.Connection, session_id: str, residue: dict) -> Iterator[tuple[str, str]]:
    keys, rows = _rows(connection, "messages", session_id)
    for row in rows:
        raw = residue.get(("message", row[0]), {})
        # one that is stored under another id has its own in the residue
        values = (None, *row[1:]) if "id" in raw else row
        yield row[0], _object(_members(keys, values, raw))


def _rows(connection: sqlite3.Connection, name: str, session_id: str) -> tuple[list[str], sqlite3.Cursor]:
    cursor = connection.execute(sql(f"export/{name}"), {"session_id": session_id})
    return [column[0] for column in cursor.description], cursor


# Values


def _raw(document: str) -> dict[str, str]:
    """A residue's members, values as they were written."""
    if not (document.startswith("{") and scan.is_json(document)):
        raise ValueError("residue")
    return dict(scan.members(document))


def _members(keys: Sequence[str], values: Sequence[object], raw: dict[str, str]) -> Iterator[tuple[str, str]]:
    """Keys and the text of their values: the columns', where those are NULL the residue's; then the rest."""
    for key, value in zip(keys, values, strict=True):
        yield key, raw.get(key, "null") if value is None else _written(key, value)
    yield from ((key, text) for key, text in raw.items() if key not in keys)


def _object(members: Iterable[tuple[str, str]]) -> str:
    inner = ",\n        ".join([f"{quoted(key)}: {text}" for key, text in members])
    return f"{{\n        {inner}\n      }}"


def _written(key: str, value: object) -> str:
    """A column's value as serde_json writes it.

    Raises: ValueError, naming the key, for a value that the editor's reader does not take under it
    """
    if key in _INTEGERS:
        largest = 2**64 - 1 if key == "totalDuration" else 2**32 - 1
        if type(value) is int and 0 <= value <= largest:
            return str(value)
    elif key == "preserveWorktrees":
        return "true" if value else "false"
    elif key == "runtimeMix":
        return _strings(value)
    elif type(value) is str:
        return quoted(value)
    raise ValueError(key)


def _strings(column: object) -> str:
    try:
        strings = json.loads(column)
    except (RecursionError, TypeError, ValueError):
        strings = None
    if not (isinstance(strings, list) and all(isinstance(string, str) for string in strings)):
        raise ValueError("runtimeMix")
    inner = ",\n      ".join(map(quoted, strings))
    return f"[\n      {inner}\n    ]" if strings else "[]"
