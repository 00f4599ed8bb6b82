"""Every rule that a record breaks, and a record put in order where it only looks odd.

What reading set aside is looked at one by one. What the columns cannot say goes to `residue`; the rest is written as
the editor would have written it, and read in bulk like any other file. A record that is not in order even so breaks a
rule: it is held whole, and taken apart so that the rules, in SQL, tell each thing that is wrong with it.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from ait42nb import engine as duck
from ait42nb import scan
from ait42nb.landing import Landing
from ait42nb.read import Documents, add_batch, batch_bytes, look_at_batch

if TYPE_CHECKING:
    from ait42nb.pipeline import Run

# The order in which a record's violations are told; the first is its reason. Each is a file in sql/check/rules.
RULES = (
    "malformed",
    "not_an_object",
    "duplicate_key",
    "missing_field",
    "wrong_type",
    "out_of_range",
    "invalid_status",
    "unrepresentable_text",
    "duplicate_instance",
)

# What a record may hold, in the editor's order.
KEYS = {
    "session": tuple(
        "id type task status createdAt updatedAt completedAt instances chatHistory model timeoutSeconds "  # noqa: SIM905
        "preserveWorktrees winnerId runtimeMix totalDuration totalFilesChanged totalLinesAdded "
        "totalLinesDeleted".split()
    ),
    "instance": tuple(
        "instanceId worktreePath branch agentName status tmuxSessionId output startTime endTime "  # noqa: SIM905
        "filesChanged linesAdded linesDeleted runtime model runtimeLabel".split()
    ),
    "message": ("id", "role", "content", "timestamp", "instanceId"),
}
LISTS = {"instances": "instance", "chatHistory": "message"}
IDENTITY = {"instance": "instanceId", "message": "id"}

# The largest integers that the editor may write, and that its reader (Rust's i32 and i64) can hold.
_WRITTEN, _READ = 2**32 - 1, 2**31 - 1
_WRITTEN_LONG, _READ_LONG = 2**64 - 1, 2**63 - 1
INTEGERS = {
    "session": (
        "timeoutSeconds",
        "winnerId",
        "totalDuration",
        "totalFilesChanged",
        "totalLinesAdded",
        "totalLinesDeleted",
    ),
    "instance": ("filesChanged", "linesAdded", "linesDeleted"),
    "message": ("instanceId",),
}
_DIGITS = re.compile(r"0|[1-9][0-9]*")
_NEGATIVE = re.compile(r"-[1-9][0-9]*")


@dataclass(frozen=True)
class Checked:
    """How many records were looked at one by one, how many are held, and what those break: reason -> count."""

    looked_at: int
    held: int
    violations: dict[str, int]


@dataclass
class Straightened:
    """A record put in order: its document as the editor would have written it, if it can be, and what that lacks."""

    document: str | None = None
    claims: str | None = None
    counts: dict[str, int] = field(default_factory=lambda: {"instance": 0, "message": 0})
    residue: list[dict[str, object]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def check_records(run: Run) -> Checked:
    """Find every rule that a record breaks.

    Reads:   what `read_documents` set aside
    Makes:   residue, one row an object that holds something which the columns cannot say; notes, what was taken in
             spite of it; violations, one row a broken rule, pointer is RFC 6901 into the file
             Adds to records, sessions, instances, messages
    Returns: counts by reason
    Rule:    a session is held whole, with every reason found (invariant 7)
    """
    folder = run.work / "check"
    folder.mkdir(mode=0o700)
    engine = run.engine
    odd, residue, notes = (Lines(folder / f"{name}.ndjson") for name in ("odd", "residue", "notes"))
    landing, most = run.get(Documents).landing, batch_bytes(engine)
    straightened: dict[bool, list[Lines]] = {True: [], False: []}
    with run.progress("Checking one by one", unit="records") as progress:
        for line in progress.each(lines_of(run.get(Documents).aside)):
            text, place = line["document"], {"file_no": line["file_no"], "ordinal": line["ordinal"]}
            straight = Straightened() if line.get("malformed") else straighten(text)
            counts = {"instances": straight.counts["instance"], "messages": straight.counts["message"]}
            odd.write(place | counts | {"id": straight.claims, "sha256": hashlib.sha256(text.encode()).hexdigest()})
            if straight.document is None:
                continue
            for row in straight.residue:
                residue.write(place | row)
            for note in straight.notes:
                notes.write(place | {"reason": note})
            alike = straightened[place["file_no"] in landing.files]
            if not alike or alike[-1].size > most // 2:
                alike.append(Lines(folder / f"straightened_{sum(map(len, straightened.values())):06}.ndjson"))
            alike[-1].write(place | {"document": straight.document})
        with duck.joins_in_order(engine), landing.opened(engine):
            for lands, batches in straightened.items():
                for batch in batches:
                    _add(engine, batch, landing, lands)
    landing.join_small_parts(engine)
    for table in (odd, residue, notes):
        table.load(engine)
    duck.append(engine, "records", "check/add_records")
    held = _explain(run, folder)
    found = engine.execute("select reason, count(*) from violations group by reason").fetchall()
    return Checked(odd.count, held, dict(sorted(found, key=lambda row: RULES.index(row[0]))))


def _add(engine: duck.Engine, batch: Lines, landing: Landing, mapped: bool) -> None:
    batch.load(engine, "check/straightened", "batch")
    duck.run(engine, "check/exact")
    duck.make(engine, "check/places")
    look_at_batch(engine, landing, mapped, repeats=True)
    add_batch(engine, landing, mapped)


def _explain(run: Run, folder: Path) -> int:
    """Take apart what is held, and run the rules over it."""
    engine = run.engine
    held = set(engine.execute("select file_no, ordinal from records where not in_order").fetchall())
    objects, members = Lines(folder / "objects.ndjson"), Lines(folder / "members.ndjson")
    for line in lines_of(run.get(Documents).aside):
        place = {"file_no": line["file_no"], "ordinal": line["ordinal"]}
        if (line["file_no"], line["ordinal"]) not in held:
            continue
        if line.get("malformed"):
            objects.write(place | {"entity": "session", "pointer": f"/{line['ordinal']}", "kind": "malformed"})
            continue
        for table, row in take_apart(line["document"], line["ordinal"]):
            (objects if table == "object" else members).write(place | row)
    objects.load(engine)
    members.load(engine)
    duck.make(engine, "check/fields")
    duck.run(engine, "check/violations")
    for reason in RULES:
        duck.append(engine, "violations", f"check/rules/{reason}")
    return len(held)


class Lines:
    """A file of JSON objects, one a line, on its way into the DuckDB table that a file in `sql/check` reads from it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = path.open("w", encoding="ascii")
        self.count = self.size = self._longest = 0

    def write(self, row: dict[str, object]) -> None:
        length = self._file.write(json.dumps(row) + "\n")
        self.count += 1
        self.size += length
        self._longest = max(self._longest, length)

    def close(self) -> None:
        self._file.close()

    def load(self, engine: duck.Engine, name: str = "", table: str = "") -> None:
        """Make the table of `sql/{name}.sql`, by default the one in `check` that is named like this file."""
        self._file.close()
        # The reader's buffers are twice as large as the largest line that it is told to expect.
        largest = max(self._longest, 1 << 20)
        duck.make(engine, name or f"check/{self.path.stem}", table, path=str(self.path), largest=largest)


def lines_of(paths: list[Path]) -> Iterator[dict[str, object]]:
    for path in paths:
        with path.open("rb") as lines:
            yield from map(json.loads, lines)


def straighten(text: str) -> Straightened:
    """Put a record in order, without deciding whether it may be taken.

    Unknown keys, integers beyond the editor's reader and repeats of one instance or message go to the residue, missing
    lists become empty. Not possible for what is no object, holds other than objects in its lists, has a key twice, or
    text that no UTF-8 can hold: there `document` is None.
    """
    result = Straightened()
    if not text.startswith("{"):
        return result
    known, unknown, flawed = _split(text, "session")
    ids = [value for key, value in scan.members(text) if key == "id"]
    if len(ids) == 1 and ids[0].startswith('"') and not scan.has_lone_surrogate(id_ := json.loads(ids[0])):
        result.claims = id_
    _set_aside("session", 0, known, unknown, result)
    for key, entity in LISTS.items():
        raw = known.get(key, "null")
        if raw == "null":
            known[key] = "[]"
            result.notes.append("missing_list")
        elif raw.startswith("["):
            listed = _straighten_list(raw, entity, key, result)
            flawed = flawed or listed is None
            known[key] = f"[{','.join(listed or ())}]"
    if not flawed:
        result.document = _written("session", known)
    return result


def _straighten_list(raw: str, entity: str, key: str, result: Straightened) -> list[str] | None:
    """The elements of a list in order, repeats left out; None if one of them cannot be put in order."""
    written: list[str] = []
    order: list[int] = []
    repeats = scan.Repeats()
    flawed = False
    for begin, end in scan.elements(raw):
        result.counts[entity] += 1
        text = raw[begin:end]
        if flawed or not text.startswith("{"):
            flawed = True
            continue
        known, unknown, broken = _split(text, entity)
        if broken:
            flawed = True
            continue
        place = repeats.first(known.get(IDENTITY[entity], "null"), text, len(written))
        order.append(place)
        if place < len(written):
            continue
        _set_aside(entity, len(written), known, unknown, result)
        written.append(_written(entity, known))
    if flawed:
        return None
    if len(order) > len(written):
        result.residue.append({"entity": "order", "list": key, "order": order})
    return written


def _split(text: str, entity: str) -> tuple[dict[str, str], list[tuple[str, str]], bool]:
    """An object's known members, its unknown ones, and whether it has a flaw that the columns would hide."""
    known: dict[str, str] = {}
    unknown: list[tuple[str, str]] = []
    flawed = False
    keys = KEYS[entity]
    seen = set()
    for key, value in scan.members(text):
        flawed = flawed or key in seen or scan.has_lone_surrogate(key)
        seen.add(key)
        if key not in keys:
            unknown.append((key, value))
        elif key not in known:
            known[key] = value
            flawed = flawed or value == "-0" or (key not in LISTS and scan.has_broken_text(value))
    return known, unknown, flawed


def _set_aside(
    entity: str, position: int, known: dict[str, str], unknown: list[tuple[str, str]], result: Straightened
) -> None:
    """Take out of `known` what the editor's reader cannot hold, and note it with the unknown members."""
    for key in INTEGERS[entity]:
        written, read = (_WRITTEN_LONG, _READ_LONG) if key == "totalDuration" else (_WRITTEN, _READ)
        value = known.get(key, "")
        if _DIGITS.fullmatch(value) and len(value) < 21 and read < int(value) <= written:
            unknown = [*unknown, (key, value)]
            known[key] = "null"
            if entity != "message":
                result.notes.append("exceeds_reader_type")
    if unknown:
        result.residue.append({"entity": entity, "position": position, "document": _object(unknown)})


def _written(entity: str, known: dict[str, str]) -> str:
    """An object with exactly the keys that the editor writes; a required one that is missing stays missing."""
    required = _REQUIRED[entity]
    return _object([(k, known.get(k, "null")) for k in KEYS[entity] if k in known or k not in required])


_REQUIRED = {
    "session": frozenset(KEYS["session"][:6]),
    "instance": frozenset(KEYS["instance"][:6]),
    "message": frozenset(KEYS["message"][:4]),
}


def _object(members: list[tuple[str, str]]) -> str:
    return "{" + ",".join([f"{_quoted(key)}:{value}" for key, value in members]) + "}"


@lru_cache(maxsize=1000)
def _quoted(key: str) -> str:
    return json.dumps(key, ensure_ascii=False)


def take_apart(text: str, ordinal: int) -> Iterator[tuple[str, dict[str, object]]]:
    """A record as rows of `objects` and `members`, for the rules."""
    yield from _apart(text, "session", f"/{ordinal}", 0)


def _apart(text: str, entity: str, pointer: str, position: int) -> Iterator[tuple[str, dict[str, object]]]:
    row = {"entity": entity, "pointer": pointer, "position": position, "kind": kind_of(text)}
    if row["kind"] != "object":
        yield "object", row
        return
    seen: dict[str, int] = {}
    for key, value in scan.members(text):
        seen[key] = seen.get(key, 0) + 1
        kind = kind_of(value)
        yield (
            "member",
            {
                "entity": entity,
                "object_pointer": pointer,
                "pointer": f"{pointer}/{_shown(key).replace('~', '~0').replace('/', '~1')}",
                "key": _shown(key),
                "occurrence": seen[key],
                "kind": kind,
                "value": value
                if kind in ("integer", "negative")
                else _shown(json.loads(value))
                if key == "status" and kind == "string"
                else None,
                "broken_key": scan.has_lone_surrogate(key),
                "broken_value": key in KEYS[entity] and key not in LISTS and scan.has_broken_text(value),
            },
        )
        if seen[key] > 1:
            continue
        if entity == "instance" and key == IDENTITY[entity] and kind != "null":
            row |= {"identity": value, "fingerprint": hashlib.sha256(scan.canonical(text).encode()).hexdigest()}
        if entity == "session" and key in LISTS and kind in ("list", "strings"):
            for index, (begin, end) in enumerate(scan.elements(value)):
                yield from _apart(value[begin:end], LISTS[key], f"{pointer}/{key}/{index}", index)
    yield "object", row


def kind_of(value: str) -> str:
    """What a JSON value is, as the rules name it."""
    first = value[0]
    if first == "[":
        return "strings" if all(value[begin] == '"' for begin, _ in scan.elements(value)) else "list"
    if first in '"{tfn':
        return {'"': "string", "{": "object", "t": "boolean", "f": "boolean", "n": "null"}[first]
    if _DIGITS.fullmatch(value):
        return "integer"
    return "negative" if _NEGATIVE.fullmatch(value) else "number"


def _shown(text: str) -> str:
    """Text that UTF-8 can hold, whatever it was."""
    return text.encode("utf-8", "backslashreplace").decode()
