"""The three-way merge of one session: base is the ledger, ours is JSON, theirs is the database.

The rules are the functions above `plan_session`, on plain values. `plan_session` asks them and says what is to be done;
`apply_plan` does it, in the caller's transaction. The same code runs on the snapshot, to show the effect, and under the
lock of the live database.
"""

from __future__ import annotations

import hashlib
import json
import re
import sqlite3
from calendar import timegm
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime
from io import StringIO
from pathlib import Path
from typing import Literal

from ait42nb import queries, scan
from ait42nb.check import LISTS
from ait42nb.engine import sql
from ait42nb.errors import VerificationFailed
from ait42nb.export import _write_session as write_session
from ait42nb.queries import ChatMessageRow, InstanceRow, SessionRow
from ait42nb.reconcile import Balance
from ait42nb.stage import Reject

Side = Literal["ours", "theirs"]
Row = Mapping[str, object]

SESSION_COLUMNS = tuple(f.name for f in fields(SessionRow))[1:-2]
INSTANCE_COLUMNS = tuple(f.name for f in fields(InstanceRow))[3:]
MESSAGE_COLUMNS = ("role", "content", "timestamp", "instance_id")
_TIMES = frozenset({"created_at", "updated_at", "completed_at", "start_time", "end_time", "timestamp"})
_RFC3339 = re.compile(
    r"(\d{4})(-\d{2}-\d{2})[Tt ]([01]\d|2[0-3])(:\d{2}:\d{2})(?:\.(\d+))?(?:[Zz]|([+-])([01]\d|2[0-3]):([0-5]\d))",
    re.ASCII,
)
# As JavaScript writes a time: nearly all are.
_PLAIN = re.compile(r"20\d\d-\d\d-\d\dT(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d\.\d{3}Z", re.ASCII)
_SECONDS_OF_400_YEARS = 146_097 * 86_400
_CENTURY = range(946_684_800, 4_102_444_800)  # 2000 to 2099


@dataclass
class Effect:
    """What a merge does to a database.

    outcomes: (source_path, kind, outcome) -> rows, of those that are not unchanged; done: those of finished slices;
    kept:     (source_path, kind) -> rows in which the database still has something else than JSON;
    warnings: reason -> count; conflicts: session ids of which one version lost a value;
    deleted:  the reject_ids of what a person deleted and JSON still has;
    rejects:  what is not in the main tables at the end;
    touches:  the numbers of its own writes; slices: how often the lock was taken.
    """

    outcomes: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    done: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    kept: Counter[tuple[str, str]] = field(default_factory=Counter)
    warnings: Counter[str] = field(default_factory=Counter)
    conflicts: list[str] = field(default_factory=list)
    deleted: list[int] = field(default_factory=list)
    touches: list[int] = field(default_factory=list)
    rejects: Sequence[Reject] = ()
    slices: int = 0
    longest_lock: float = 0.0  # seconds


@dataclass(frozen=True)
class Reconciled:
    """What becomes, or became, of the two stores: the effect of the merge, and the books with it."""

    effect: Effect
    balance: Balance


def attach(connection: sqlite3.Connection, staging: Path) -> None:
    """Put the staging file beside the database, as `ours`; nobody can write to it there."""
    connection.execute("attach $staging as ours", {"staging": f"{staging.as_uri()}?mode=ro&immutable=1"})


# Values


def instant(value: object) -> tuple[int, str] | None:
    """An RFC 3339 time as something that compares (seconds, and the fraction without closing zeros), or None."""
    found = _RFC3339.fullmatch(value) if isinstance(value, str) else None
    if not found:
        return None
    year, day, hour, rest, fraction, sign, hours, minutes = found.groups()
    # The calendar repeats itself every 400 years, and Python's has no year 0.
    cycles, within = divmod(int(year), 400)
    try:
        seconds = timegm(datetime.fromisoformat(f"{2000 + within}{day}T{hour}{rest}").timetuple())
    except ValueError:
        return None
    seconds += (cycles - 5) * _SECONDS_OF_400_YEARS
    offset = 60 * (60 * int(hours) + int(minutes)) * (-1 if sign == "-" else 1) if sign else 0
    return seconds - offset, (fraction or "").rstrip("0")


def later(ours: object, theirs: object) -> bool:
    """Whether ours is the later time; a time that cannot be read is earlier than any other."""
    mine, other = instant(ours), instant(theirs)
    return mine is not None and (other is None or mine > other)


def comparable(column: str, value: object) -> object:
    """A value in the form in which two writers' versions of it are equal."""
    if value is None:
        return None
    if column in _TIMES:
        if isinstance(value, str) and _PLAIN.fullmatch(value):
            return value
        moment = instant(value)
        return value if moment is None else _plain_time(*moment)
    if column == "runtime_mix":
        try:
            return json.dumps(json.loads(str(value)), ensure_ascii=False, separators=(",", ":"))
        except ValueError:
            return value
    return value


def _plain_time(seconds: int, fraction: str) -> str:
    """An instant as JavaScript writes it, if it is one of this century, with as many digits as it needs."""
    if seconds in _CENTURY:
        return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{fraction:0<3}Z"
    return f"{seconds}.{fraction}"


def fingerprint(value: object) -> str | None:
    """As the DuckDB macro of that name: enough of a value to see that it changed."""
    return None if value is None else hashlib.md5(_bytes(str(value)), usedforsecurity=False).hexdigest()[:10]


def message_print(row: Row) -> str:
    """As `migration_ledger` has it for a message."""
    number = "" if row["instance_id"] is None else row["instance_id"]
    role, content, moment = str(row["role"]), str(row["content"]), comparable("timestamp", row["timestamp"])
    return fingerprint(f"{number}|{len(_bytes(role))}|{len(_bytes(content))}|{role}{content}{moment}")


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


# The rules


@dataclass(frozen=True)
class Merged:
    """A row as it is to be; `outcome` is unchanged, updated or database_newer, `loser` the side that lost a value.

    `kept` tells that the database keeps something that JSON has otherwise.
    """

    row: dict[str, object]
    outcome: str
    loser: Side | None = None
    kept_older: bool = False
    kept: bool = False


def merge_row(
    columns: Sequence[str], base: Sequence[str | None] | None, ours: Row, theirs: Row, *, newer: bool, older: bool
) -> Merged:
    """Merge two versions of a row, column by column.

    base:  the fingerprints of the row as JSON was last time; None where it is new to the ledger
    newer: JSON's session is the later one, so it wins where both sides changed a value differently
    older: JSON is an old file restored: it changes nothing that it does not add
    """
    row = dict(theirs)
    loser: Side | None = None
    from_ours = kept_older = kept = False
    for place, column in enumerate(columns):
        mine, other = comparable(column, ours[column]), comparable(column, theirs[column])
        if mine == other:
            continue
        changed_here, changed_there = True, True
        if base is not None:
            changed_here = base[place] not in (fingerprint(mine), fingerprint(ours[column]))
            changed_there = base[place] not in (fingerprint(other), fingerprint(theirs[column]))
        elif mine is None or other is None:
            changed_here, changed_there = other is None, mine is None
        if changed_here and older:
            kept_older = kept = True
            continue
        if changed_here and changed_there:
            loser = "theirs" if newer else "ours"
        if changed_here and (newer or not changed_there):
            row[column] = ours[column]
            from_ours = True
        else:
            kept = True
    outcome = "updated" if from_ours else "database_newer" if kept else "unchanged"
    return Merged(row, outcome, loser, kept_older, kept)


def merge_message(base: Sequence[str] | None, here: str, ours: Row, theirs: Row, *, newer: bool, older: bool) -> Merged:
    """As `merge_row`, for a message: the ledger has one fingerprint for all of it; `here` is that of ours."""
    there = message_print(theirs)
    if here == there:
        return Merged(dict(theirs), "unchanged")
    if base is None:
        return merge_row(MESSAGE_COLUMNS, None, ours, theirs, newer=newer, older=older)
    changed_here, changed_there = here not in base, there not in base
    if changed_here and older:
        return Merged(dict(theirs), "database_newer", kept_older=True, kept=True)
    if not changed_here:
        return Merged(dict(theirs), "database_newer", kept=True)
    if not changed_there:
        return Merged(dict(ours), "updated")
    if newer:
        return Merged(dict(ours), "updated", "theirs")
    return Merged(dict(theirs), "database_newer", "ours", kept=True)


# One session


@dataclass
class Plan:
    """What is to be done with one session, and how its rows are counted.

    outcomes: (kind, outcome) -> count, of the rows that are not unchanged;
    kept:     kind -> rows in which the database still has something else than JSON;
    deleted:  what a person deleted from the database and JSON still has: (entity, key, own id);
    loser:    the side that loses a value which both sides changed.
    """

    session_id: str
    source_path: str
    pointer: str
    session: SessionRow | None = None
    instances: list[Row] = field(default_factory=list)
    messages: list[Row] = field(default_factory=list)
    outcomes: Counter[tuple[str, str]] = field(default_factory=Counter)
    kept: Counter[str] = field(default_factory=Counter)
    warnings: Counter[str] = field(default_factory=Counter)
    deleted: list[tuple[str, str, str]] = field(default_factory=list)
    loser: Side | None = None
    follows_json: bool = True


def plan_session(connection: sqlite3.Connection, session_id: str) -> Plan:
    """Decide for each row of one session. Writes nothing.

    connection: the database, with the staging file attached as `ours`
    """
    by_session = {"session_id": session_id}
    ledger = {side: rest for side, *rest in connection.execute(sql("merge/ledger"), by_session)}
    source_path, pointer, document_sha256, our_base = ledger["ours"]
    *_, known_sha256, their_base = ledger.get("theirs", (None, None))
    base = their_base and json.loads(their_base)
    plan = Plan(session_id, source_path, pointer)
    sides = {
        side: dict(zip(SESSION_COLUMNS, row, strict=True))
        for side, *row in connection.execute(sql("merge/session"), by_session)
    }
    ours, theirs = sides["ours"], sides.get("theirs")
    if theirs is None:
        return _plan_missing(
            connection, plan, ours, changed=base is None or json.loads(our_base) != base, known=base is not None
        )
    newer = later(ours["updated_at"], theirs["updated_at"])
    older = (
        base is not None
        and fingerprint(comparable("updated_at", theirs["updated_at"]))
        == base["session"][SESSION_COLUMNS.index("updated_at")]
        and later(theirs["updated_at"], ours["updated_at"])
    )
    plan.follows_json = not older and document_sha256 != known_sha256
    merged = merge_row(SESSION_COLUMNS, base and base["session"], ours, theirs, newer=newer, older=older)
    _count(plan, "sessions", merged)
    if merged.outcome == "updated":
        plan.session = SessionRow(session_id, **merged.row)
    _plan_instances(connection, plan, base, newer=newer, older=older)
    _plan_messages(connection, plan, base, our_base, newer=newer, older=older)
    if plan.warnings["older_json"]:
        plan.warnings["older_json"] = 1
    return plan


def _count(plan: Plan, kind: str, merged: Merged) -> None:
    if merged.outcome != "unchanged":
        plan.outcomes[kind, merged.outcome] += 1
    plan.kept[kind] += merged.kept
    plan.loser = plan.loser or merged.loser
    plan.warnings["older_json"] += merged.kept_older


def _plan_missing(connection: sqlite3.Connection, plan: Plan, ours: Row, *, changed: bool, known: bool) -> Plan:
    """The database has no such session: it is new, or a person deleted it. That comes back only if JSON changed."""
    by_session = {"session_id": plan.session_id}
    instances = [
        dict(zip(("instance_id", *INSTANCE_COLUMNS), (row[0], *row[2:16]), strict=True))
        for row in connection.execute(sql("merge/instances"), by_session)
    ]
    messages = [_message(row, plan.session_id) for row in connection.execute(sql("merge/messages"), by_session)]
    outcome = "inserted" if changed else "database_newer"
    rows = {"sessions": 1, "instances": len(instances), "messages": len(messages)}
    plan.outcomes.update({(kind, outcome): n for kind, n in rows.items()})
    if not changed:
        plan.kept.update(rows)
        plan.deleted.append(("session", plan.session_id, plan.session_id))
        plan.follows_json = False
        return plan
    if known:
        plan.warnings["reinserted"] += 1
    plan.session = SessionRow(plan.session_id, **ours)
    plan.instances, plan.messages = instances, messages
    return plan


def _plan_instances(
    connection: sqlite3.Connection, plan: Plan, base: Mapping | None, *, newer: bool, older: bool
) -> None:
    for number, row_id, *values in connection.execute(sql("merge/instances"), {"session_id": plan.session_id}):
        width = len(INSTANCE_COLUMNS)
        ours = dict(zip(INSTANCE_COLUMNS, values[:width], strict=True))
        prints = base and base["instances"].get(str(number))
        if row_id is None:
            same = prints is not None and prints == [fingerprint(comparable(c, ours[c])) for c in INSTANCE_COLUMNS]
            if _comes_in(plan, "instance", str(number), str(number), known=prints is not None, same=same or older):
                plan.instances.append({"instance_id": number, **ours})
            continue
        theirs = dict(zip(INSTANCE_COLUMNS, values[width:], strict=True))
        merged = merge_row(INSTANCE_COLUMNS, prints, ours, theirs, newer=newer, older=older)
        _count(plan, "instances", merged)
        if merged.outcome == "updated":
            plan.instances.append({"instance_id": number, **merged.row})


def _plan_messages(
    connection: sqlite3.Connection, plan: Plan, base: Mapping | None, our_base: str, *, newer: bool, older: bool
) -> None:
    ledger: Mapping[str, Sequence[str]] | None = None
    for row in connection.execute(sql("merge/messages"), {"session_id": plan.session_id}):
        ours, theirs = _message(row, plan.session_id), dict(zip(MESSAGE_COLUMNS, row[7:], strict=True))
        ledger = ledger or json.loads(our_base)["messages"]
        # Of several that JSON has under one id the ledger does not say whose is which.
        now = ledger.get(ours["own_id"], ())
        here = now[0] if len(now) == 1 else message_print(ours)
        prints = base and base["messages"].get(ours["own_id"])
        if row[2] != plan.session_id or _is_namesake(prints, here, theirs):
            same = older or (prints is not None and here in prints)
            if _comes_in(plan, "message", ours["id"], ours["own_id"], known=prints is not None, same=same):
                plan.messages.append(ours)
            continue
        merged = merge_message(prints, here, ours, theirs, newer=newer, older=older)
        _count(plan, "messages", merged)
        if merged.outcome == "updated":
            plan.messages.append({**ours, **merged.row})


def _is_namesake(base: Sequence[str] | None, here: str, theirs: Row) -> bool:
    """Whether these are two that JSON had under one id: they stay two, also where the database has only one left."""
    return base is not None and len(base) > 1 and here in base and message_print(theirs) in {*base} - {here}


def _comes_in(plan: Plan, entity: str, key: str, own_id: str, *, known: bool, same: bool) -> bool:
    """Count a row that JSON has and the database has not. Returns: whether it is to be inserted."""
    kind = f"{entity}s"
    if known and same:
        plan.outcomes[kind, "database_newer"] += 1
        plan.kept[kind] += 1
        plan.deleted.append((entity, key, own_id))
        return False
    plan.outcomes[kind, "inserted"] += 1
    plan.warnings["reinserted"] += known
    return True


def _message(row: Sequence[object], session_id: str) -> dict[str, object]:
    """One of ours; `taken` tells that a message of another session has its id."""
    id_, residue, owner, role, content, timestamp, number, *_ = row
    return {
        "id": id_,
        "own_id": _own_id(id_, residue) if residue else id_,
        "taken": owner is not None and owner != session_id,
        "role": role,
        "content": content,
        "timestamp": timestamp,
        "instance_id": number,
    }


def _own_id(id_: str, residue: str) -> str:
    """The id that a message has in JSON: what is stored under another begins its residue with it."""
    key, value = next(scan.members(residue))
    return json.loads(value) if key == "id" else id_


def elements_of(connection: sqlite3.Connection, session_id: str, text: str) -> dict[str, list[tuple[str, str, str]]]:
    """A record's instances and messages in their order: key in the staging file, pointer in the record, and text."""
    found: dict[str, list[tuple[str, str, str]]] = {"instance": [], "message": []}
    for name, value in scan.members(text):
        if name in LISTS and value.startswith("["):
            keys = connection.execute(sql(f"merge/{LISTS[name]}_keys"), {"session_id": session_id})
            for place, ((key,), (begin, end)) in enumerate(zip(keys, scan.elements(value), strict=True)):
                found[LISTS[name]].append((str(key), f"/{name}/{place}", value[begin:end]))
    return found


def stored_version(connection: sqlite3.Connection, session_id: str) -> dict[str, object]:
    """A session as the database has it, as the editor would write it, and how much it holds."""
    document, counts = StringIO(), Counter()
    write_session(connection, document, session_id, counts)
    return {
        "document": document.getvalue().strip(),
        "instances": counts["instances"],
        "messages": counts["chatHistory"],
    }


# Doing it


def apply_plan(connection: sqlite3.Connection, plan: Plan) -> None:
    """Write one session's plan, inside the caller's transaction.

    Raises: VerificationFailed, when a row does not stand in the database as it was planned
    """
    by_session = {"session_id": plan.session_id}
    if plan.session:
        queries.insert_session(connection, plan.session)
    for row in plan.instances:
        queries.insert_instance(connection, InstanceRow(0, plan.session_id, **row))
    rows = dict(connection.execute(sql("merge/instance_rows"), by_session))
    renamed = _renamed(connection, plan)
    messages = [
        ChatMessageRow(
            id=renamed.get(row["id"], row["id"]),
            session_id=plan.session_id,
            instance_id_ref=rows.get(row["instance_id"]),
            **{column: row[column] for column in ("role", "content", "timestamp")},
        )
        for row in plan.messages
    ]
    queries.insert_chat_messages(connection, messages)
    _check(connection, plan, renamed, rows)
    _write_residue(connection, plan, renamed)
    connection.execute(sql("merge/write_ledger"), by_session)


def _renamed(connection: sqlite3.Connection, plan: Plan) -> dict[str, str]:
    """The planned ids that messages of other sessions have, and those under which ours go in instead."""
    renamed: dict[str, str] = {}
    used = {row["id"] for row in plan.messages}
    for id_ in [row["id"] for row in plan.messages if row["taken"]]:
        free = id_
        while free in used or connection.execute(sql("merge/owner"), {"id": free}).fetchone():
            free += "~"
        used.add(free)
        renamed[id_] = free
    return renamed


def _check(connection: sqlite3.Connection, plan: Plan, renamed: Mapping[str, str], rows: Mapping[int, int]) -> None:
    """Every row that was written, read back."""
    wrong = []
    if plan.session:
        stored = {side: row for side, *row in connection.execute(sql("merge/session"), {"session_id": plan.session_id})}
        if stored["theirs"] != [getattr(plan.session, column) for column in SESSION_COLUMNS]:
            wrong.append("its own row")
    for row in plan.instances:
        key = {"session_id": plan.session_id, "instance_id": row["instance_id"]}
        stored = connection.execute(sql("merge/stored_instance"), key).fetchone()
        if stored != tuple(row[column] for column in INSTANCE_COLUMNS):
            wrong.append(f"instance {row['instance_id']}")
    for row in plan.messages:
        key = {"session_id": plan.session_id, "id": renamed.get(row["id"], row["id"])}
        number = row["instance_id"] if row["instance_id"] in rows else None
        stored = connection.execute(sql("merge/stored_message"), key).fetchone()
        if stored != (row["role"], row["content"], row["timestamp"], number):
            wrong.append(f"message {row['id']}")
    if wrong:
        raise VerificationFailed(
            f"session {plan.session_id}", f"{', '.join(wrong)} was not stored as planned", "It was undone; run again"
        )


def _write_residue(connection: sqlite3.Connection, plan: Plan, renamed: Mapping[str, str]) -> None:
    """Residue and order follow JSON where that has changed; else only what belongs to new rows comes in."""
    by_session = {"session_id": plan.session_id}
    residue = {
        (entity, key): document for entity, key, document in connection.execute(sql("merge/residue"), by_session)
    }
    written = {row["id"]: row["instance_id"] for row in plan.messages}
    for id_, number, kept in connection.execute(sql("merge/lost_references"), by_session):
        if written.get(id_) == number or "instanceId" in dict(scan.members(kept or "{}")):
            document = residue.get(("message", id_), "{}").removesuffix("}")
            residue["message", id_] = f'{document}{"," if document != "{" else ""}"instanceId":{number}}}'
    for planned, stored in renamed.items():
        document = residue.pop(("message", planned), "{}")
        if not document.startswith('{"id":'):
            rest = document.removeprefix("{")
            document = f'{{"id":{json.dumps(planned)}{"," if rest != "}" else ""}{rest}'
        residue["message", stored] = document
    if not plan.follows_json:
        new = {("instance", str(row["instance_id"])) for row in plan.instances}
        new |= {("message", renamed.get(row["id"], row["id"])) for row in plan.messages}
        for entity, key in new:
            connection.execute(sql("merge/drop_residue"), {"entity": entity, "key": key, **by_session})
        residue = {place: document for place, document in residue.items() if place in new}
    else:
        for key, query in (("instances", "merge/instance_order"), ("chatHistory", "merge/message_order")):
            if ("order", key) not in residue:
                listed = connection.execute(sql(query), by_session).fetchall()
                row_ids = [row_id for _, row_id in listed]
                if row_ids != sorted(row_ids):
                    residue["order", key] = json.dumps({"order": [name for name, _ in listed]}, ensure_ascii=False)
        connection.execute(sql("merge/clear_residue"), by_session)
    for (entity, key), document in residue.items():
        connection.execute(
            sql("merge/insert_residue"), {"entity": entity, "key": key, "document": document, **by_session}
        )
