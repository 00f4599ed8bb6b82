"""The rules again, in slow plain Python: what a first migration of a home leaves in `sessions.db`.

An opinion of its own: written from the rules, not from the kit, with the standard library alone and no SQL but SELECT.
What the kit does in bulk is done here record by record, so that a person can read it from top to bottom:

    JSON → files → workspaces → what a record breaks → whose id it is → message ids → rows, residue, warnings, books

`expect(home)` says what must be there, `differences(home, database)` says in words what is not, and
`compare_export(home, folder)` whether the way back gives the same JSON. A record that is stored is compared column by
column, one that is not by its whole text: an empty list of differences means that nothing was lost (invariant 1).
"""

from __future__ import annotations

import calendar
import hashlib
import json
import json.scanner
import os
import re
import sqlite3
import sys
import unicodedata
from codecs import BOM_UTF8
from collections import Counter
from collections.abc import Container, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date
from itertools import chain, groupby
from pathlib import Path
from typing import Any, NamedTuple

# ── The format ───────────────────────────────────────────────────────────────────────────────────────────────────────
# A kind a key; `!` marks what is required. A column has its key's name in snake_case.

SESSION = {
    "id": "text!", "type": "text!", "task": "text!", "status": "text!", "createdAt": "text!", "updatedAt": "text!",
    "completedAt": "text", "instances": "list", "chatHistory": "list", "model": "text", "timeoutSeconds": "u32",
    "preserveWorktrees": "flag", "winnerId": "u32", "runtimeMix": "texts", "totalDuration": "u64",
    "totalFilesChanged": "u32", "totalLinesAdded": "u32", "totalLinesDeleted": "u32",
}  # fmt: skip
INSTANCE = {
    "instanceId": "u32!", "worktreePath": "text!", "branch": "text!", "agentName": "text!", "status": "text!",
    "tmuxSessionId": "text!", "output": "text", "startTime": "text", "endTime": "text", "filesChanged": "u32",
    "linesAdded": "u32", "linesDeleted": "u32", "runtime": "text", "model": "text", "runtimeLabel": "text",
}  # fmt: skip
MESSAGE = {"id": "text!", "role": "text!", "content": "text!", "timestamp": "text!", "instanceId": "u32"}

WRITTEN = {"u32": 2**32 - 1, "u64": 2**64 - 1}  # what the editor writes,
READ = {"u32": 2**31 - 1, "u64": 2**63 - 1}  # and what its database reader holds

SESSION_STATUSES = ("running", "completed", "failed", "paused")
KNOWN = {
    "unknown_type": ("competition", "ensemble", "debate"),
    "unknown_role": ("user", "assistant", "system"),
    "unknown_runtime": ("claude", "codex", "gemini"),
    "unknown_instance_status": ("idle", "running", "completed", "failed", "paused", "archived", "timeout"),
}

# Why a record is held; of several reasons the first in this order is *the* reason.
REASONS = (
    "malformed", "not_an_object", "duplicate_key", "missing_field", "wrong_type", "out_of_range", "invalid_status",
    "unrepresentable_text", "duplicate_instance",
)  # fmt: skip
REFUSALS = ("unmapped_workspace", "hash_mismatch")  # why a file that reads well may not go in
STANDS_ASIDE = ("shadowed_duplicate", "superseded")  # for another record of the same id

ENTITIES = ("sessions", "instances", "messages")
BOOKS = ("source", "inserted", "updated", "unchanged", "database_newer", "shadowed", "held")

LARGEST_DOCUMENT = 64 * 1024 * 1024  # of a whole file; a record has no limit


# ── Strict JSON, numbers as they were written ────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Written:
    """A number by its text: 1.0, 1e0 and 1 are three."""

    text: str


class Object:
    """An object by its members as they stand, so that doubled keys are seen."""

    def __init__(self, members: Iterable[tuple[str, Value]]) -> None:
        self.members = list(members)

    def get(self, key: str) -> Value:
        """The first value under a key; absent and null are the same."""
        return next((value for name, value in self.members if name == key), None)

    def keys(self) -> Counter[str]:
        return Counter(name for name, _ in self.members)

    def without_nulls(self) -> Object:
        return Object((name, value) for name, value in self.members if value is not None)


Value = Object | list | str | Written | bool | None
BROKEN = object()  # an element that is no JSON


def _number(text: str) -> Written:
    if not text.isascii():  # the decoder in Python takes any script's digits
        raise ValueError(f"{text} is not JSON")
    return Written(text)


def _constant(name: str) -> Value:
    raise ValueError(f"{name} is not JSON")


def _decoder() -> json.JSONDecoder:
    return json.JSONDecoder(object_pairs_hook=Object, parse_int=_number, parse_float=_number, parse_constant=_constant)


_FAST, _DEEP = _decoder(), _decoder()
_DEEP.scan_once = json.scanner.py_make_scanner(_DEEP)  # needs no C stack: as deep as the recursion limit


def value_at(text: str, start: int) -> tuple[Value, int]:
    """The strict JSON value that starts here, and where it ends; ValueError if none does."""
    try:
        return _FAST.raw_decode(text, start)
    except RecursionError:
        limit = sys.getrecursionlimit()
        sys.setrecursionlimit(limit + 4 * (text.count("[") + text.count("{")))
        try:
            return _DEEP.raw_decode(text, start)
        finally:
            sys.setrecursionlimit(limit)


def after_blanks(text: str, start: int) -> int:
    return re.compile(r"[ \t\r\n]*").match(text, start).end()


def is_json(text: str) -> bool:
    try:
        _, end = value_at(text, after_blanks(text, 0))
    except ValueError:
        return False
    return after_blanks(text, end) == len(text)


def canonical(value: Value) -> str:
    """The same text for the same value: key order and escapes do not matter, a number's spelling does."""
    parts, todo = [], [value]
    while todo:  # a loop, because records may be nested absurdly deep
        item = todo.pop()
        if isinstance(item, Object):
            inside = [Written("{")]
            for number, (key, member) in enumerate(sorted(item.members, key=lambda pair: pair[0])):
                inside += [Written("," if number else ""), key, Written(":"), member]
            todo += reversed([*inside, Written("}")])
        elif isinstance(item, list):
            inside = [Written("[")]
            for number, element in enumerate(item):
                inside += [Written("," if number else ""), element]
            todo += reversed([*inside, Written("]")])
        else:
            parts.append(item.text if isinstance(item, Written) else json.dumps(item, ensure_ascii=False))
    return "".join(parts)


def pointer_to(parent: str, token: str | int) -> str:
    """RFC 6901."""
    return f"{parent}/{str(token).replace('~', '~0').replace('/', '~1')}"


# ── Files ────────────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass
class Record:
    """One element of a file's array, and what becomes of it."""

    source: Source
    pointer: str
    text: str
    value: Value
    violations: list[Violation] = field(default_factory=list)
    fate: str = "inserted"  # or shadowed, held
    reason: str = ""

    def elements(self, key: str) -> list[Value]:
        """`instances` or `chatHistory`: what stands there, if it is a list."""
        found = self.value.get(key) if isinstance(self.value, Object) else None
        return found if isinstance(found, list) else []

    def sizes(self) -> dict[str, int]:
        """What it counts for in the books."""
        return {
            "sessions": 1, "instances": len(self.elements("instances")), "messages": len(self.elements("chatHistory"))
        }  # fmt: skip


@dataclass
class Source:
    """One file of the home."""

    path: str  # relative to the home, `sessions/….json`
    content: bytes | None
    state: str = "read"
    text: str = ""
    records: list[Record] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    workspace: str | None = None
    refusal: str = ""  # one of REFUSALS

    @property
    def hash(self) -> str:
        return Path(self.path).name.removesuffix(".json")


def read_home(home: Path, unreadable: Container[str]) -> list[Source]:
    """Every `sessions/*.json`, in order of name."""
    folder = home / "sessions"
    names = sorted(name for name in os.listdir(folder) if name.endswith(".json")) if folder.is_dir() else []
    return [read_source(home, f"sessions/{name}", f"sessions/{name}" in unreadable) for name in names]


def read_source(home: Path, path: str, unreadable: bool) -> Source:
    """A regular file, or a link to one inside the home; anything else is unreadable."""
    file = home / path
    leads_away = file.is_symlink() and home.resolve() not in file.resolve().parents
    if unreadable or leads_away or not file.is_file():
        return Source(path, None, "unreadable")
    try:
        source = Source(path, file.read_bytes())
    except OSError:
        return Source(path, None, "unreadable")
    read_elements(source)
    return source


def read_elements(source: Source) -> None:
    """Bytes → text → elements, with the file's state."""
    if source.content.startswith(BOM_UTF8):
        source.warnings.append("byte_order_mark")
    try:
        source.text = source.content.removeprefix(BOM_UTF8).decode("utf-8")
    except UnicodeDecodeError:
        source.state = "invalid_utf8"
        return

    if not source.text.strip(" \t\n\v\f\r"):
        source.state = "empty"
        return
    is_array = source.text[after_blanks(source.text, 0)] == "["
    if not is_json(source.text):
        source.state = "malformed"
    elif not is_array:
        source.state = "not_an_array"

    if is_array:
        for number, (text, value) in enumerate(cut_elements(source.text)):
            source.records.append(Record(source, pointer_to("", number), text, value))
        if source.state == "malformed" and source.records:
            source.warnings.append("salvaged")


def cut_elements(text: str) -> Iterator[tuple[str, Value]]:
    """The elements of an array, also of one that breaks off: cutting stops where an element has no end."""
    start = after_blanks(text, text.index("[") + 1)
    while start < len(text) and text[start] != "]":
        try:
            value, end = value_at(text, start)
        except ValueError:
            value, end = BROKEN, end_by_brackets(text, start)
        if end is None:
            return
        yield text[start:end], value
        comma = after_blanks(text, end)
        if text[comma : comma + 1] != ",":
            return
        start = after_blanks(text, comma + 1)


def end_by_brackets(text: str, start: int) -> int | None:
    """Where a broken object or list ends: brackets outside strings are counted, their kinds are not told apart."""
    if text[start] not in "{[":
        return None
    depth = 0
    for token in re.compile(r'"(?:[^"\\]++|\\.)*+"?|[][{}]', re.DOTALL).finditer(text, start):
        depth += {"{": 1, "[": 1, "}": -1, "]": -1}.get(token[0], 0)
        if depth == 0:
            return token.end()
    return None


# ── Workspaces ───────────────────────────────────────────────────────────────────────────────────────────────────────


def workspace_hash(path: str) -> str:
    """The editor's name for a workspace's file; the path is taken as it is spelled."""
    return hashlib.sha256(path.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def normalised(path: str) -> str:
    """A path as the editor normalises it."""
    return os.path.realpath(path) if os.path.exists(path) else path.rstrip("/")


def spellings(path: str) -> Iterator[str]:
    """As written and resolved, each as it is, composed and decomposed."""
    for spelling in (path.rstrip("/"), normalised(path)):
        yield from (spelling, unicodedata.normalize("NFC", spelling), unicodedata.normalize("NFD", spelling))


def ancestors(path: str) -> Iterator[str]:
    path = path.rstrip("/")
    yield path
    while "/" in path:
        path = path.rpartition("/")[0]
        yield path or "/"


def worktree_paths(source: Source) -> Iterator[str]:
    """Every worktree path that stands in the file, wherever: what a hash proves needs no other witness."""
    for text in re.findall(rb'"worktreePath"\s*:\s*("(?:[^"\\]++|\\.)*+")', source.content or b""):
        try:
            yield json.loads(text)
        except ValueError:
            continue


def map_workspaces(sources: list[Source], mapping: dict[str, str], accepted_hashes: Container[str]) -> None:
    """What a hash proves of all that was said and all that stands in the files; else what a person vouched for."""
    above = dict.fromkeys(folder for source in sources for path in worktree_paths(source) for folder in ancestors(path))
    proven = {workspace_hash(text): text for path in [*above, *mapping.values()] for text in spellings(path)}
    for source in sources:
        if source.state != "read" and not source.records:
            continue
        said = mapping.get(source.hash)
        source.workspace = proven.get(source.hash)
        if source.workspace is None and said and source.hash in accepted_hashes:
            source.workspace = normalised(said)
        if source.workspace is None:
            source.refusal = "hash_mismatch" if said else "unmapped_workspace"
            if source.state == "read":
                source.state = source.refusal


# ── What a record breaks ─────────────────────────────────────────────────────────────────────────────────────────────


class Violation(NamedTuple):
    pointer: str
    reason: str


def violations(record: Record) -> list[Violation]:
    """Every rule that a record breaks, in the order of REASONS. Any one of them holds it whole (invariant 7)."""
    if record.value is BROKEN:
        return [Violation(record.pointer, "malformed")]
    if not isinstance(record.value, Object):
        return [Violation(record.pointer, "not_an_object")]

    found = list(broken_members(record.value, SESSION, record.pointer))
    status = record.value.get("status")
    if isinstance(status, str) and status not in SESSION_STATUSES:
        found.append(Violation(pointer_to(record.pointer, "status"), "invalid_status"))
    for key, fields in (("instances", INSTANCE), ("chatHistory", MESSAGE)):
        for number, element in enumerate(record.elements(key)):
            pointer = pointer_to(pointer_to(record.pointer, key), number)
            if isinstance(element, Object):
                found += broken_members(element, fields, pointer)
            else:
                found.append(Violation(pointer, "not_an_object"))
    found += duplicate_instances(record)
    return sorted(found, key=lambda violation: (REASONS.index(violation.reason), violation.pointer))


def broken_members(value: Object, fields: dict[str, str], pointer: str) -> Iterator[Violation]:
    """A session, an instance or a message by itself. Of a doubled key the first occurrence is checked."""
    for key, times in value.keys().items():
        if times > 1:
            yield Violation(pointer_to(pointer, key), "duplicate_key")
        if has_lone_surrogate(key):
            yield Violation(pointer_to(pointer, key), "unrepresentable_text")
    for key, kind in fields.items():
        member = value.get(key)
        if member is None:
            reason = "missing_field" if kind.endswith("!") else ""
        else:
            reason = broken_value(member, kind.rstrip("!"))
            if not reason and fields is INSTANCE and key == "instanceId" and exceeds_reader(member, "u32"):
                reason = "out_of_range"  # its column is NOT NULL: residue cannot stand in for it
        if reason:
            yield Violation(pointer_to(pointer, key), reason)


def broken_value(value: Value, kind: str) -> str:
    match kind, value:
        case "text", str():
            return "unrepresentable_text" if has_lone_surrogate(value) else ""
        case "texts", list() if all(isinstance(text, str) for text in value):
            return "unrepresentable_text" if any(map(has_lone_surrogate, value)) else ""
        case "u32" | "u64", Written(text) if re.fullmatch(r"0|-?[1-9][0-9]*", text):
            return "" if within(text, WRITTEN[kind]) else "out_of_range"
        case ("flag", bool()) | ("list", list()):
            return ""
    return "wrong_type"


def within(text: str, limit: int) -> bool:
    return not text.startswith("-") and len(text) <= len(str(limit)) and int(text) <= limit


def exceeds_reader(value: Value, kind: str) -> bool:
    return isinstance(value, Written) and kind in READ and not within(value.text, READ[kind])


def has_lone_surrogate(text: str) -> bool:
    return re.search("[\ud800-\udfff]", text) is not None


def duplicate_instances(record: Record) -> Iterator[Violation]:
    """Instances that differ from the first one of their number; equal ones are only repeats."""
    first: dict[str, str] = {}
    for number, instance in enumerate(record.elements("instances")):
        own = instance.get("instanceId") if isinstance(instance, Object) else None
        if isinstance(own, Written) and not broken_value(own, "u32") and not exceeds_reader(own, "u32"):
            same = canonical(instance.without_nulls())
            if first.setdefault(own.text, same) != same:
                yield Violation(pointer_to(pointer_to(record.pointer, "instances"), number), "duplicate_instance")


# ── Whose id it is ───────────────────────────────────────────────────────────────────────────────────────────────────


def claimed_id(record: Record) -> str | None:
    """The id that a record claims, in order or not: its only `id`, if that is a text."""
    if not isinstance(record.value, Object) or record.value.keys()["id"] != 1:
        return None
    own = record.value.get("id")
    return own if isinstance(own, str) and not has_lone_surrogate(own) else None


def first_claims_the_id(source: Source) -> None:
    """In one file the first record of an id is the session, even when it is held (A1, A2)."""
    claimed = set()
    for record in source.records:
        record.violations = violations(record)
        own = claimed_id(record)
        if source.refusal:
            record.fate, record.reason = "held", source.refusal
        elif own is not None and own in claimed:
            record.fate, record.reason = "shadowed", "shadowed_duplicate"
        elif record.violations:
            record.fate, record.reason = "held", record.violations[0].reason
        claimed.add(own)


def latest_wins(records: list[Record]) -> None:
    """Of the records in order that share an id, each from another file, one is stored (A13)."""
    rivals: dict[str, list[Record]] = {}
    for record in records:
        if record.fate == "inserted":
            rivals.setdefault(claimed_id(record), []).append(record)
    for same_id in rivals.values():
        same_id.sort(key=lambda record: (record.source.workspace, record.source.path))
        winner = max(same_id, key=preference)  # the first of equals: the smallest path
        for record in same_id:
            if record is not winner:
                record.fate, record.reason = "shadowed", "superseded"


def preference(record: Record) -> tuple:
    """The latest change, then the latest birth, then the one whose folder is there. Unreadable times come first."""
    updated, created = instant(record.value.get("updatedAt")), instant(record.value.get("createdAt"))
    return updated or NEVER, created or NEVER, os.path.isdir(record.source.workspace)


Instant = tuple[int, str]
NEVER: Instant = (0, "")  # before the year 0


def instant(text: str) -> Instant | None:
    """RFC 3339 in UTC, to the last digit: seconds, and the digits after the point. None if it is not that (A5)."""
    parts = re.fullmatch(
        r"([0-9]{4})-([0-9]{2})-([0-9]{2})[Tt ]([0-9]{2}):([0-9]{2}):([0-9]{2})(?:\.([0-9]+))?"
        r"(?:[Zz]|([+-])([0-9]{2}):([0-9]{2}))",
        text,
    )
    if not parts:
        return None
    year, month, day, hour, minute, second = map(int, parts.groups()[:6])
    offset_hour, offset_minute = int(parts[9] or 0), int(parts[10] or 0)
    alike = 2000 + year % 400  # the calendar repeats itself, and Python's has no year 0
    if not (1 <= month <= 12 and 1 <= day <= calendar.monthrange(alike, month)[1]):
        return None
    if max(hour, offset_hour) > 23 or max(minute, second, offset_minute) > 59:
        return None
    days = date(alike, month, day).toordinal() + year // 400 * 146_097
    local = days * 86400 + hour * 3600 + minute * 60 + second
    offset = (offset_hour * 60 + offset_minute) * (-60 if parts[8] == "-" else 60)
    return local - offset, (parts[7] or "").rstrip("0")


# ── What is stored ───────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass
class Session:
    """A record that is stored: its lists without repeats, its messages with their ids in the database."""

    record: Record
    id: str
    instances: list[Object]
    instance_places: list[int]  # for each element of the source's list, where it stands in `instances`
    messages: list[Object]
    message_places: list[int]
    message_ids: list[str] = field(default_factory=list)

    @property
    def value(self) -> Object:
        return self.record.value


def collapse(record: Record) -> Session:
    """Equal repeats of an instance or a message are stored once, where the first one stands."""
    instances, instance_places = without_repeats(record.elements("instances"))
    messages, message_places = without_repeats(record.elements("chatHistory"))
    return Session(record, claimed_id(record), instances, instance_places, messages, message_places)


def without_repeats(elements: list[Object]) -> tuple[list[Object], list[int]]:
    kept: dict[str, Object] = {}
    places: dict[str, int] = {}
    order = []
    for element in elements:
        same = canonical(element.without_nulls())
        kept.setdefault(same, element)
        order.append(places.setdefault(same, len(places)))
    return list(kept.values()), order


def name_messages(sessions: list[Session]) -> None:
    """Give each message an id that no other has (A4): its own to the earliest session's first, else one made of it.

    `{id}@{session}` in a later session, `{id}@{session}#{n}` for the n-th different message of one id in a session;
    `~` is appended while another message has or wants that.
    """
    sessions = sorted(sessions, key=birth)
    own_ids = {message.get("id") for session in sessions for message in session.messages}
    taken, owner = set(own_ids), {}
    for session in sessions:
        for message in session.messages:
            owner.setdefault(message.get("id"), message)
    for session in sessions:
        seen: Counter[str] = Counter()
        for message in session.messages:
            own = message.get("id")
            seen[own] += 1
            if owner[own] is message:
                stored = own
            else:
                stored = f"{own}@{session.id}" + (f"#{seen[own]}" if seen[own] > 1 else "")
                while stored in taken:
                    stored += "~"
                taken.add(stored)
            session.message_ids.append(stored)


def birth(session: Session) -> tuple:
    created = instant(session.value.get("createdAt"))
    return created is None, created or NEVER, session.id.encode()


def column(key: str) -> str:
    """createdAt → created_at"""
    return re.sub("[A-Z]", lambda letter: "_" + letter[0].lower(), key)


def column_value(value: Value, kind: str) -> str | int | None:
    """Text exactly as it is; a number that the editor's reader cannot hold leaves its column NULL."""
    if value is None or exceeds_reader(value, kind):
        return None
    if kind == "texts":
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return value if isinstance(value, str) else int(value.text) if isinstance(value, Written) else int(value)


def columns(value: Object, fields: dict[str, str]) -> dict[str, Any]:
    kinds = {key: kind.rstrip("!") for key, kind in fields.items()}
    return {column(key): column_value(value.get(key), kind) for key, kind in kinds.items() if kind != "list"}


def session_row(session: Session) -> dict[str, Any]:
    row = columns(session.value, SESSION)
    row["preserve_worktrees"] = row["preserve_worktrees"] or 0
    counts = {"instance_count": len(session.instances), "message_count": len(session.messages)}
    return row | {"workspace_path": session.record.source.workspace} | counts


def instance_row(session: Session, instance: Object) -> dict[str, Any]:
    return columns(instance, INSTANCE) | {"session_id": session.id}


def message_row(session: Session, stored_id: str, message: Object) -> dict[str, Any]:
    row = columns(message, MESSAGE) | {"id": stored_id, "session_id": session.id}
    del row["instance_id"]
    return row | {"instance_id_ref": reference(session, message)}


def reference(session: Session, message: Object) -> tuple[str, int] | None:
    """The instance of the same session that a message names, if there is one."""
    named = message.get("instanceId")
    if any(instance.get("instanceId") == named for instance in session.instances):
        return session.id, int(named.text)
    return None


# ── Residue: what the columns cannot say ─────────────────────────────────────────────────────────────────────────────


def residue(session: Session) -> Iterator[tuple[tuple[str, str, str], str]]:
    """(entity, session_id, key) and the document, as canonical JSON."""
    rows = [("session", "", beyond_columns(session.value, SESSION))]
    for instance in session.instances:
        rows.append(("instance", instance.get("instanceId").text, beyond_columns(instance, INSTANCE)))
    for stored_id, message in zip(session.message_ids, session.messages, strict=True):
        members = [(key, value) for key, value in beyond_columns(message, MESSAGE) if key != "instanceId"]
        if message.get("instanceId") is not None and reference(session, message) is None:
            members.append(("instanceId", message.get("instanceId")))
        if stored_id != message.get("id"):
            members.append(("id", message.get("id")))
        rows.append(("message", stored_id, members))
    if len(session.instances) < len(session.instance_places):
        order = [session.instances[place].get("instanceId") for place in session.instance_places]
        rows.append(("order", "instances", [("order", order)]))
    if len(session.messages) < len(session.message_places):
        order = [session.message_ids[place] for place in session.message_places]
        rows.append(("order", "chatHistory", [("order", order)]))
    for entity, key, members in rows:
        if members:
            yield (entity, session.id, key), canonical(Object(members))


def beyond_columns(value: Object, fields: dict[str, str]) -> list[tuple[str, Value]]:
    """Unknown keys, null or not, and known ones with a value beyond their column's reader."""
    return [(key, member) for key, member in value.members if key not in fields or exceeds_reader(member, fields[key])]


# ── Warnings ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def warnings(session: Session) -> Iterator[str]:
    """What is odd about a stored session, one reason an occurrence. It is stored as it is."""
    value = session.value
    yield from unknown("unknown_type", value.get("type"))
    yield from odd_times(value, "createdAt", "updatedAt", "completedAt")
    yield from beyond_reader(value, SESSION)
    yield from ("missing_list" for key in ("instances", "chatHistory") if value.get(key) is None)
    for instance in session.instances:
        yield from unknown("unknown_instance_status", instance.get("status"))
        yield from unknown("unknown_runtime", instance.get("runtime"))
        yield from odd_times(instance, "startTime", "endTime")
        yield from beyond_reader(instance, INSTANCE)
    for message in session.messages:
        yield from unknown("unknown_role", message.get("role"))
        yield from odd_times(message, "timestamp")


def unknown(reason: str, value: str | None) -> list[str]:
    return [] if value is None or value in KNOWN[reason] else [reason]


def odd_times(value: Object, *keys: str) -> list[str]:
    times = [value.get(key) for key in keys]
    return ["invalid_timestamp" for text in times if text is not None and instant(text) is None]


def beyond_reader(value: Object, fields: dict[str, str]) -> list[str]:
    return ["exceeds_reader_type" for key, member in value.members if exceeds_reader(member, fields.get(key, ""))]


# ── The books ────────────────────────────────────────────────────────────────────────────────────────────────────────


def balance(source: Source, sessions: list[Session]) -> dict[str, dict[str, int]]:
    """What became of everything in a file; collapsed repeats stand aside like shadows (invariant 2)."""
    books = {entity: dict.fromkeys(BOOKS, 0) for entity in ENTITIES}
    for record in source.records:
        for entity, size in record.sizes().items():
            books[entity]["source"] += size
            if record.fate != "inserted":
                books[entity][record.fate] += size
    for session in sessions:
        stored = {"sessions": 1, "instances": len(session.instances), "messages": len(session.messages)}
        for entity, size in stored.items():
            books[entity]["inserted"] += size
            books[entity]["shadowed"] += session.record.sizes()[entity] - size
    return books


def unbalanced(books: dict[str, dict[str, int]]) -> list[str]:
    return [
        f"{entity}: {page['source']} in the source, {sum(page.values()) - page['source']} accounted for"
        for entity, page in books.items()
        if 2 * page["source"] != sum(page.values())
    ]


def file_counts(sources: list[Source]) -> dict[str, int]:
    states = Counter(source.state for source in sources)
    unmapped = sum(states[refusal] for refusal in REFUSALS)
    return {
        "found": len(sources),
        "empty": states["empty"],
        "held": len(sources) - states["read"] - states["empty"] - unmapped,
        "unmapped": unmapped,
    }


# ── Rejects ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def rejected_file(source: Source) -> dict[str, Any] | None:
    """The row of a file that is not JSON as it should be, or that may not go in. The latter's records have the text."""
    if source.state in ("read", "empty"):
        return None
    keep = source.state in ("malformed", "not_an_array", "invalid_utf8") and len(source.content) <= LARGEST_DOCUMENT
    binary = source.state == "invalid_utf8"
    return {
        "entity": "file", "key": None, "reason": source.state, "instances": 0, "messages": 0,
        "document": source.text if keep and not binary else None,
        "document_bytes": source.content if keep and binary else None,
    }  # fmt: skip


def rejected_record(record: Record) -> dict[str, Any] | None:
    """The row of a record that is held or stands aside, with its whole text and all that is wrong with it."""
    if record.fate == "inserted":
        return None
    refused = [Violation(record.pointer, record.reason)] if record.reason in REFUSALS else []
    sizes = record.sizes()
    return {
        "entity": "session", "key": claimed_id(record), "reason": record.reason,
        "detail": by_reason(refused + record.violations),
        "instances": sizes["instances"], "messages": sizes["messages"],
        "document": record.text, "document_bytes": None,
    }  # fmt: skip


def by_reason(found: Iterable[Violation]) -> list[tuple[str, list[str]]]:
    """Violations in a form to compare: reasons in their order, the places of each in any.

    A key with a lone surrogate has no text to point with, so such a step is left out.
    """
    unwritable = re.compile(r"/[^/]*(?:[\ud800-\udfff\ufffd]|\\u[dD][89a-fA-F])[^/]*")
    return [
        (reason, sorted(unwritable.sub("", violation.pointer) for violation in same))
        for reason, same in groupby(found, key=lambda violation: violation.reason)
    ]


# ── The expectation ──────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass
class Expected:
    """What the rules say. Rows are dicts by column, in the order in which they must stand."""

    sessions: dict[str, dict[str, Any]] = field(default_factory=dict)  # by id
    instances: dict[tuple[str, int], dict[str, Any]] = field(default_factory=dict)  # by (session_id, instance_id)
    messages: dict[str, dict[str, Any]] = field(default_factory=dict)  # by stored id; instance_id_ref is such a pair
    residue: dict[tuple[str, str, str], str] = field(default_factory=dict)  # canonical JSON
    rejects: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)  # by (source_path, pointer)
    ledger: dict[str, dict[str, str]] = field(default_factory=dict)  # by session id
    file_rows: dict[str, dict[str, Any]] = field(default_factory=dict)  # by source_path
    balance_by_file: dict[str, dict[str, dict[str, int]]] = field(default_factory=dict)
    balance: dict[str, dict[str, int]] = field(default_factory=dict)
    files: dict[str, int] = field(default_factory=dict)  # found, empty, held, unmapped
    warnings: Counter[str] = field(default_factory=Counter)
    originals: dict[str, Object] = field(default_factory=dict)  # the stored sessions as they stand in JSON


def expect(
    home: Path,
    mapping: dict[str, str] | None = None,
    *,
    accepted_hashes: Container[str] = (),
    unreadable: Container[str] = (),
) -> Expected:
    """What a first migration of a home must leave behind.

    `mapping` stands for `workspace_mapping.json`; `accepted_hashes` are those whose path a person vouched for;
    `unreadable` are source paths that the kit could not read though this process can.
    """
    sources = read_home(home, unreadable)
    mapping = read_mapping(home) if mapping is None else mapping
    map_workspaces(sources, mapping, accepted_hashes)
    for source in sources:
        first_claims_the_id(source)
    records = [record for source in sources for record in source.records]
    latest_wins(records)
    sessions = [collapse(record) for record in records if record.fate == "inserted"]
    name_messages(sessions)

    expected = Expected(files=file_counts(sources))
    for source in sources:
        write_file(expected, source, [session for session in sessions if session.record.source is source])
    for session in sessions:
        write_session(expected, session)
    expected.balance = {
        entity: {page: sum(books[entity][page] for books in expected.balance_by_file.values()) for page in BOOKS}
        for entity in ENTITIES
    }
    return expected


def read_mapping(home: Path) -> dict[str, str]:
    path = home / "workspace_mapping.json"
    return json.loads(path.read_text("utf-8-sig")) if path.exists() else {}


def write_file(expected: Expected, source: Source, sessions: list[Session]) -> None:
    books = balance(source, sessions)
    row = {"workspace_hash": source.hash, "state": source.state, "balance": without_zeros(books)}
    row |= {entity: books[entity]["source"] for entity in ENTITIES}
    if source.content is not None:
        row |= {"size_bytes": len(source.content), "sha256": hashlib.sha256(source.content).hexdigest()}
    if source.workspace is not None:
        row["workspace_path"] = source.workspace
    expected.file_rows[source.path] = row
    expected.balance_by_file[source.path] = books
    expected.warnings.update(source.warnings)
    if row := rejected_file(source):
        expected.rejects[source.path, ""] = row
    for record in source.records:
        if row := rejected_record(record):
            expected.rejects[source.path, record.pointer] = row


def write_session(expected: Expected, session: Session) -> None:
    record = session.record
    expected.sessions[session.id] = session_row(session)
    for instance in session.instances:
        row = instance_row(session, instance)
        expected.instances[session.id, row["instance_id"]] = row
    for stored_id, message in zip(session.message_ids, session.messages, strict=True):
        expected.messages[stored_id] = message_row(session, stored_id, message)
    expected.residue.update(residue(session))
    expected.warnings.update(warnings(session))
    expected.ledger[session.id] = {
        "source_path": record.source.path,
        "pointer": record.pointer,
        "document_sha256": hashlib.sha256(record.text.encode()).hexdigest(),
    }
    expected.originals[session.id] = session.value


def without_zeros(books: dict[str, dict[str, int]]) -> dict[str, dict[str, int]]:
    return {entity: {page: count for page, count in pages.items() if count} for entity, pages in books.items()}


# ── Against the database ─────────────────────────────────────────────────────────────────────────────────────────────


def differences(home: Path, database: Path, mapping: dict[str, str] | None = None, **options: Any) -> list[str]:
    """Everything in which a database differs from what `expect` says of its home (same options), in words."""
    expected = expect(home, mapping, **options)
    tables = {
        "sessions": expected.sessions,
        "instances": expected.instances,
        "chat_messages": expected.messages,
        "migration_residue": expected.residue,
        "migration_rejects": expected.rejects,
        "migration_files": expected.file_rows,
        "migration_ledger": expected.ledger,
    }
    lines = unbalanced(expected.balance)
    connection = open_to_read(database)
    try:
        for table, wanted in tables.items():
            lines += compare(table, wanted, rows(connection, table))
        for table in ("instances", "chat_messages"):
            lines += compare_order(table, tables[table], rows(connection, table))
        lines += unknown_runs(connection)
        lines += damage(connection)
    except sqlite3.DatabaseError as error:
        lines.append(f"{database.name} cannot be read: {error}")
    finally:
        connection.close()
    return lines


def check(home: Path, database: Path, mapping: dict[str, str] | None = None, **options: Any) -> None:
    """Assert that a database is what `expect` says."""
    found = differences(home, database, mapping, **options)
    assert not found, "\n".join(found)


def open_to_read(database: Path) -> sqlite3.Connection:
    """Leaves no side files behind, unless commits still stand in them; odd bytes are read, not refused."""
    log = Path(f"{database}-wal")
    immutable = "" if log.exists() and log.stat().st_size else "&immutable=1"
    connection = sqlite3.connect(f"{database.absolute().as_uri()}?mode=ro{immutable}", uri=True)
    connection.row_factory = sqlite3.Row
    connection.text_factory = lambda text: text.decode("utf-8", "surrogateescape")
    return connection


SELECT = {
    "sessions": "select * from sessions order by rowid",
    "instances": "select * from instances order by id",
    "chat_messages": """
        select m.*, i.session_id as ref_session, i.instance_id as ref_instance
        from chat_messages m left join instances i on i.id = m.instance_id_ref order by m.rowid""",
    "migration_residue": "select * from migration_residue",
    "migration_rejects": "select * from migration_rejects order by reject_id",
    "migration_files": "select * from migration_files",
    "migration_ledger": "select * from migration_ledger",
}


def rows(connection: sqlite3.Connection, table: str) -> Iterator[tuple[Any, Any]]:
    """A table in the form of `Expected`: each row's key, and the row."""
    for found in connection.execute(SELECT[table]):
        row = dict(found)
        match table:
            case "sessions":
                yield row["id"], row | {"runtime_mix": compact_list(row["runtime_mix"])}
            case "instances":
                yield (row["session_id"], row["instance_id"]), row
            case "chat_messages":
                if row["instance_id_ref"] is not None:
                    row["instance_id_ref"] = row["ref_session"], row["ref_instance"]
                yield row["id"], row
            case "migration_residue":
                yield (row["entity"], row["session_id"], row["key"]), canonical_text(row["document"])
            case "migration_rejects":
                yield (row["source_path"], row["pointer"]), reject_row(row)
            case "migration_files":
                counts = {entity: row[entity] or 0 for entity in ENTITIES}
                yield row["source_path"], row | counts | {"balance": stored_books(row["balance"])}
            case "migration_ledger":
                yield row["session_id"], row


def compact_list(text: Any) -> Any:
    """A list of texts as this module writes it, whatever its escapes; what is not compact stays as it is."""
    if not isinstance(text, str) or re.search(r"\s", re.sub(r'"(?:[^"\\]|\\.)*"', "", text)):
        return text
    return canonical_text(text)


def canonical_text(text: Any) -> Any:
    return canonical(value_at(text, 0)[0]) if isinstance(text, str) and is_json(text) else text


def reject_row(row: dict[str, Any]) -> dict[str, Any]:
    """A file's text may stand with or without its BOM; its detail is words alone, a record's lists its violations."""
    if row["entity"] == "file" and isinstance(row["document"], str):
        row["document"] = row["document"].removeprefix("\ufeff")
    try:
        told = [Violation(entry["pointer"], entry["reason"]) for entry in json.loads(row["detail"] or "[]")]
        row["detail"] = by_reason(violation for violation in told if violation.reason not in STANDS_ASIDE)
    except (ValueError, TypeError, KeyError):
        pass  # then it differs, as it stands
    return row


def stored_books(text: Any) -> Any:
    try:
        return without_zeros(json.loads(text)) if text is not None else {entity: {} for entity in ENTITIES}
    except (ValueError, TypeError, AttributeError):
        return text


def compare(table: str, expected: dict[Any, Any], found: Iterable[tuple[Any, Any]]) -> Iterator[str]:
    """One line a missing row, a row too many, or a value that differs, its type included."""
    left = dict(expected)
    for key, row in found:
        if key not in left:
            again = "stands twice" if key in expected else "expected no row, found one"
            yield f"{table} {key!r}: {again}"
            continue
        wanted = left.pop(key)
        if not isinstance(wanted, dict):
            wanted, row = {"document": wanted}, {"document": row}
        for name, value in wanted.items():
            if type(value) is not type(row.get(name)) or value != row[name]:
                yield f"{table} {key!r} {name}: expected {shown(value)}, found {shown(row.get(name))}"
    yield from (f"{table} {key!r}: expected a row, found none" for key in left)


def compare_order(table: str, expected: dict[Any, Any], found: Iterable[tuple[Any, Any]]) -> Iterator[str]:
    """Inside a session rows stand in the order of its list; rows that only one side has do not count."""
    places = {key: place for place, (key, _) in enumerate(found)}
    lists: dict[str, list[Any]] = {}
    for key, row in expected.items():
        if key in places:
            lists.setdefault(row["session_id"], []).append(key)
    for session_id, keys in lists.items():
        stored = sorted(keys, key=places.__getitem__)
        if stored != keys:
            yield f"{table} {session_id!r} order: expected {shown(keys)}, found {shown(stored)}"


def unknown_runs(connection: sqlite3.Connection) -> Iterator[str]:
    """Whatever the kit wrote names a run that came to its end."""
    finished = {run for (run,) in connection.execute("select run_id from migration_runs where finished_at is not null")}
    for table in ("migration_files", "migration_rejects", "migration_ledger"):
        for key, row in rows(connection, table):
            if row["run_id"] not in finished:
                yield f"{table} {key!r} run_id: expected a finished run, found {shown(row['run_id'])}"


def damage(connection: sqlite3.Connection) -> Iterator[str]:
    for table, rowid, parent, _ in connection.execute("pragma foreign_key_check"):
        yield f"foreign_key_check: row {rowid} of {table} points at no row of {parent}"
    for (line,) in connection.execute("pragma integrity_check"):
        if line != "ok":
            yield f"integrity_check: {line}"


def shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 200 else f"{text[:120]} … {text[-60:]} ({len(text)} characters)"


# ── There and back ───────────────────────────────────────────────────────────────────────────────────────────────────


def compare_export(home: Path, exported: Path, mapping: dict[str, str] | None = None, **options: Any) -> list[str]:
    """Everything in which exported JSON differs from the original of each migrated session (invariant 3)."""
    expected = expect(home, mapping, **options)
    folder = exported / "sessions" if (exported / "sessions").is_dir() else exported
    files = {path.name: value_at(path.read_text("utf-8"), 0)[0] for path in sorted(folder.glob("*.json"))}
    found: dict[str, list[Object]] = {}
    for session in chain.from_iterable(files.values()):
        found.setdefault(session.get("id"), []).append(session)
    lines = []
    for key, original in expected.originals.items():
        lines += compare_session(key, original, found.get(key, []))
    for name, sessions in files.items():
        lines += compare_places(expected, name, sessions)
    return lines


def compare_session(session_id: str, original: Object, exported: list[Object]) -> Iterator[str]:
    if len(exported) != 1:
        yield f"export {session_id!r}: expected one, found {len(exported)}"
        return
    wanted, found = members(original), members(exported[0])
    for place in wanted | found:
        if wanted.get(place) != found.get(place):
            yield f"export {session_id!r} {place}: expected {shown(wanted.get(place))}, found {shown(found.get(place))}"


def members(session: Object) -> dict[str, str]:
    """A session as {pointer: canonical value}, so that a difference names its place.

    Where they are absent, and null is absent, `preserveWorktrees` is false and lists are empty.
    """
    flat = {"/preserveWorktrees": "false", "/runtimeMix": "[]"}
    todo = [("", session)]
    for key in ("instances", "chatHistory"):
        elements = session.get(key) or []
        flat[f"/{key}"] = f"a list of {len(elements)}"
        todo += [(f"/{key}/{number}", element) for number, element in enumerate(elements)]
    for pointer, value in todo:
        for key, times in value.without_nulls().keys().items():
            if value is not session or key not in ("instances", "chatHistory"):
                flat[pointer_to(pointer, key)] = canonical(value.get(key)) if times == 1 else f"{times} values"
    return flat


def compare_places(expected: Expected, name: str, sessions: list[Object]) -> Iterator[str]:
    """Each session in the file where the editor looks, in the ledger's order; the database's own come last."""
    keys = [session.get("id") for session in sessions]
    ours = [key for key in expected.originals if key in keys]
    if keys[: len(ours)] != ours:
        yield f"export {name} order: expected {shown(ours)}, found {shown(keys)}"
    for key in ours:
        source = Path(expected.ledger[key]["source_path"]).name
        looked_for = f"{workspace_hash(expected.sessions[key]['workspace_path'])}.json"
        if name not in (source, looked_for):
            yield f"export {key!r} file: expected {looked_for}, found {name}"
