"""The rest of the proof: what the columns cannot say, where each session was found, what is not in the main tables.

Text that has no column is compared as it was written, the whole text of what is held by the hash that was taken when it
was read.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from typing import TYPE_CHECKING

from ait42nb import database, scan
from ait42nb import engine as duck
from ait42nb.check import INTEGERS, KEYS, LISTS, lines_of
from ait42nb.inventory import Inventory
from ait42nb.stage import Staged, rejected_files

if TYPE_CHECKING:
    from ait42nb.pipeline import Run

Members = Iterable[tuple[str, str]]  # key and raw value
Found = tuple[str, str, str, str, object, object]  # entity, session_id, key, column, expected, found

_KEYS = {entity: frozenset(keys) for entity, keys in KEYS.items()}
_COLUMNS = {
    "residue": ("document",),
    "ledger": ("source_path", "pointer", "document_sha256", "run_id"),
    "reject": ("run_id", "entity", "key", "reason", "detail", "instances", "messages", "document", "document_bytes"),
}


def compare_kept(run: Run) -> Iterator[Found]:
    """Compare residue, ledger and rejects of the staging file with what they must say.

    Reads: accepted, records, workspaces, rejects; beyond, and {work}/verify/residue.ndjson, which `verify` made when it
           read the sources once more
    """
    wanted = {
        "residue": dict(_expected_residue(run)),
        "ledger": {row[:1]: (*row[1:], run.run_id) for row in duck.rows(run.engine, "verify/expected_ledger")},
        "reject": dict(_expected_rejects(run)),
    }
    with closing(database.open_readonly(run.get(Staged).path)) as connection:
        for entity, expected in wanted.items():
            for key, row in _stored(connection, entity):
                if key not in expected:
                    yield (*_named(entity, key), "*", None, "a row")
                    continue
                for column, one, other in zip(_COLUMNS[entity], expected.pop(key), row, strict=True):
                    if one != other:
                        yield (*_named(entity, key), column, one, other)
            yield from ((*_named(entity, key), "*", "a row", None) for key in expected)


def _named(entity: str, key: tuple[str, ...]) -> tuple[str, str, str]:
    """What a difference is called: entity, session and key."""
    if entity == "residue":
        return entity, key[1], f"{key[0]} {key[2]}".strip()
    return (entity, *key, "") if entity == "ledger" else (entity, "", "".join(key))


def _stored(connection, entity: str) -> Iterator[tuple[tuple, tuple]]:
    for row in connection.execute(duck.sql(f"verify/stored_{entity}")):
        if entity == "residue":
            yield row[:3], (members_print(row[0], scan.members(row[3])),)
        elif entity == "ledger":
            yield row[:1], row[1:]
        else:
            *values, document, document_bytes = row[2:]
            yield row[:2], (*values, _sha256(document), _sha256(document_bytes))


def _expected_residue(run: Run) -> Iterator[tuple[tuple[str, str, str], tuple[str]]]:
    for session_id, key, document in run.engine.table("beyond").fetchall():
        yield ("message", session_id, key), (members_print("message", scan.members(document)),)
    for row in lines_of([run.work / "verify" / "residue.ndjson"]):
        yield (row["entity"], row["session_id"], row["key"]), (row["print"],)


def _expected_rejects(run: Run) -> Iterator[tuple[tuple[str, str], tuple]]:
    for source_path, pointer, *values in duck.rows(run.engine, "verify/expected_rejects"):
        yield (source_path, pointer), (run.run_id, "session", *values, None)
    hashes = {file.source_path: file.sha256 for file in run.get(Inventory).files}
    for row in rejected_files(run):
        whole = {name: hashes[row["source_path"]] for name in ("document", "document_bytes") if row[name] is not None}
        row |= {"run_id": run.run_id, "document": None, "document_bytes": None} | whole
        yield (row["source_path"], row["pointer"]), tuple(row[column] for column in _COLUMNS["reject"])


# Of records that were looked at one by one


def residue_of(
    text: str,
    record: Mapping[str, object],
    lists: Mapping[str, list[Mapping[str, object]]],
    orders: Mapping[str, list[int]],
    message_ids: list[str],
) -> Iterator[dict[str, str]]:
    """What the columns cannot say of one record, one row an object.

    lists: its instances and messages without repeats; orders: for each element of a list with repeats, its place there
    """
    numbers = [instance["instanceId"] for instance in lists["instances"]]
    known = set(numbers)
    beyond = {(entity, place): members for entity, place, members in _beyond(text, record, lists, orders)}
    for place, (message, id_) in enumerate(zip(lists["chatHistory"], message_ids, strict=True)):
        named, members = message.get("instanceId"), beyond.get(("message", place), [])
        if id_ != message["id"]:
            members = [*members, ("id", json.dumps(message["id"]))]
        if named is not None and named not in known and not _too_large("message", "instanceId", named):
            members = [*members, ("instanceId", str(named))]
        if members:
            beyond["message", place] = members
    keys = {"session": [""], "instance": list(map(str, numbers)), "message": message_ids}
    rows = [(entity, keys[entity][place], members) for (entity, place), members in beyond.items()]
    for name, order in orders.items():
        stored = numbers if name == "instances" else message_ids
        rows.append(("order", name, [("order", json.dumps([stored[place] for place in order]))]))
    for entity, key, members in rows:
        yield {"session_id": record["id"], "entity": entity, "key": key, "print": members_print(entity, members)}


def _beyond(text, record, lists, orders) -> Iterator[tuple[str, int, Members]]:
    """The members that have no column, or are too large for theirs, of each object that has any."""
    raw: dict[str, str] = {}
    for name, listed in (("", [record]), *lists.items()):
        entity = LISTS.get(name, "session")
        if not any(_goes_beyond(entity, each) for each in listed):
            continue
        raw = raw or dict(scan.members(text))
        for place, each in enumerate(_first_texts(raw[name], orders.get(name)) if name else [text]):
            members = [(key, value) for key, value in scan.members(each) if _has_no_column(entity, key, value)]
            if members:
                yield entity, place, members


def _first_texts(raw: str, order: list[int] | None) -> list[str]:
    texts = [raw[begin:end] for begin, end in scan.elements(raw)]
    if order is None:
        return texts
    first = dict(zip(reversed(order), reversed(texts), strict=True))
    return [first[place] for place in sorted(first)]


def _goes_beyond(entity: str, record: Mapping[str, object]) -> bool:
    return not record.keys() <= _KEYS[entity] or any(_too_large(entity, k, record.get(k)) for k in INTEGERS[entity])


def _has_no_column(entity: str, key: str, value: str) -> bool:
    return key not in _KEYS[entity] or (value.isdecimal() and _too_large(entity, key, int(value)))


def _too_large(entity: str, key: str, value: object) -> bool:
    """Whether it is an integer that the editor's reader cannot hold."""
    largest = 2**63 - 1 if key == "totalDuration" else 2**31 - 1
    return key in INTEGERS[entity] and isinstance(value, int) and value > largest


def members_print(entity: str, members: Members) -> str:
    """A hash of an object's members, as they were written; the ids that the kit itself writes count by their value."""
    ours = entity == "order"
    plain = [(k, json.dumps(json.loads(v)) if ours or (entity == "message" and k == "id") else v) for k, v in members]
    return _sha256(json.dumps(sorted(plain)))


def _sha256(content: str | bytes | None) -> str | None:
    if content is None:
        return None
    return hashlib.sha256(content.encode() if isinstance(content, str) else content).hexdigest()
