"""The merge's rules as a model: JSON is lists of dicts, a database is dicts, and nothing is in bulk.

    files → what each record is → whose message id → each session by itself → rows, rejects, books

Values stand under their keys in JSON on both sides, so that a rule reads as the design has it. `migrate` gives the
database that must come out and what must be said of it; where the design's table speaks, its words stand beside.
"""

from __future__ import annotations

import json
from collections import Counter
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

from oracle import NEVER, instant

Row = dict[str, Any]

SESSION = (
    "workspace", "type", "task", "status", "createdAt", "updatedAt", "completedAt", "model", "timeoutSeconds",
    "preserveWorktrees", "winnerId", "runtimeMix", "totalDuration", "totalFilesChanged", "totalLinesAdded",
    "totalLinesDeleted",
)  # fmt: skip
INSTANCE = (
    "worktreePath", "branch", "agentName", "status", "tmuxSessionId", "output", "startTime", "endTime",
    "filesChanged", "linesAdded", "linesDeleted", "runtime", "model", "runtimeLabel",
)  # fmt: skip
MESSAGE = ("role", "content", "timestamp", "instanceId")
TIMES = ("createdAt", "updatedAt", "completedAt", "startTime", "endTime", "timestamp")
LISTS = ("instances", "chatHistory")
STATUSES = ("running", "completed", "failed", "paused")
NOTE = "note"  # the one unknown key: it goes to residue


# ── What there is ────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass
class Message:
    session: str
    own: str  # its id in JSON
    row: Row


@dataclass
class Record:
    """A session as JSON has it, in the file that it is taken from: its rows, and each one's place and unknown key.

    Instances are known by their numbers, messages, without repeats, by their place in `messages`.
    """

    path: str
    pointer: str
    value: Row
    row: Row
    instances: dict[int, Row] = field(default_factory=dict)
    messages: list[Message] = field(default_factory=list)
    order: list[int] = field(default_factory=list)  # of the messages, repeats included
    places: dict[tuple[str, Any], int] = field(default_factory=dict)
    extras: dict[tuple[str, Any], Row] = field(default_factory=dict)

    @property
    def session(self) -> str:
        return self.value["id"]

    @property
    def sizes(self) -> dict[str, int]:
        return {"sessions": 1, "instances": len(self.value["instances"]), "messages": len(self.value["chatHistory"])}

    def element(self, entity: str, key: Any) -> tuple[str, str]:
        """Where an instance or a message stands in its file, and its text."""
        name = "instances" if entity == "instance" else "chatHistory"
        place = self.places[entity, key]
        return f"{self.pointer}/{name}/{place}", canonical(self.value[name][place])

    def values_of(self, own: str) -> list[Row]:
        return [message.row for message in self.messages if message.own == own]


@dataclass
class Database:
    """`seen` is the ledger: each session as the last run saw it in JSON."""

    sessions: dict[str, Row] = field(default_factory=dict)
    instances: dict[tuple[str, int], Row] = field(default_factory=dict)
    messages: dict[str, Message] = field(default_factory=dict)  # by stored id
    residue: dict[tuple[str, str, str], Row] = field(default_factory=dict)
    seen: dict[str, Record] = field(default_factory=dict)
    rejects: set[Reject] = field(default_factory=set)

    def of(self, session: str) -> tuple[Row | None, dict[int, Row], dict[str, Message]]:
        """All that it has of a session."""
        instances = {number: row for (owner, number), row in self.instances.items() if owner == session}
        messages = {id_: message for id_, message in self.messages.items() if message.session == session}
        return self.sessions.get(session), instances, messages


@dataclass(frozen=True)
class Reject:
    reason: str
    path: str
    pointer: str | None
    entity: str
    key: str
    document: str  # canonical


@dataclass
class Result:
    """What a run says of itself, and the database that it leaves."""

    database: Database
    books: dict[str, Counter[str]] = field(
        default_factory=lambda: {"sessions": Counter(), "instances": Counter(), "messages": Counter()}
    )
    warnings: Counter[str] = field(default_factory=Counter)
    conflicts: set[str] = field(default_factory=set)
    older: set[str] = field(default_factory=set)
    # sessions whose lists must stand in JSON's order: the instances' numbers, the messages' stored ids
    ordered: dict[str, tuple[list[int], list[str]]] = field(default_factory=dict)

    def count(self, kind: str, outcome: str, n: int = 1) -> None:
        self.books[kind][outcome] += n


def canonical(value: Any) -> str:
    return json.dumps(value, sort_keys=True, ensure_ascii=False)


def same(key: str, one: Any, other: Any) -> bool:
    """Times compare as instants; so does all else as it is."""
    if key in TIMES and one is not None and other is not None and instant(one) and instant(other):
        return instant(one) == instant(other)
    return one == other


def equal(keys: tuple[str, ...], one: Row, other: Row) -> bool:
    return all(same(key, one[key], other[key]) for key in keys)


# ── JSON ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


def read(files: dict[str, tuple[str, list[Row]]], database: Database, result: Result) -> list[Record]:
    """The records that go in. `files` gives for each source path its workspace and its sessions.

    In one file the first of an id is the session, even when it is held; of several files the latest one wins.
    """
    rivals: dict[str, list[Record]] = {}
    for path, (workspace, sessions) in sorted(files.items()):
        claimed = set()
        for place, value in enumerate(sessions):
            record = read_record(path, f"/{place}", workspace, value)
            if value["id"] in claimed:
                set_aside(record, "shadowed_duplicate", "shadowed", result)
            elif value["status"] not in STATUSES:
                set_aside(record, "invalid_status", "held", result)
            else:
                rivals.setdefault(value["id"], []).append(record)
            claimed.add(value["id"])

    def preference(record: Record) -> tuple:
        updated, created = instant(record.row["updatedAt"]), instant(record.row["createdAt"])
        stays = record.session in database.seen and database.seen[record.session].path == record.path
        return updated or NEVER, created or NEVER, stays

    accepted = []
    for records in rivals.values():
        records.sort(key=lambda record: record.row["workspace"])
        winner = max(records, key=preference)
        accepted.append(winner)
        for record in records:
            if record is not winner:
                set_aside(record, "superseded", "shadowed", result)
    return sorted(accepted, key=lambda record: (record.path, int(record.pointer[1:])))


def read_record(path: str, pointer: str, workspace: str, value: Row) -> Record:
    value = deepcopy(value)
    record = Record(path, pointer, value, {"workspace": workspace} | {key: value[key] for key in SESSION[1:]})
    record.extras["session", ""] = unknown(value)
    for place, element in enumerate(value["instances"]):
        number = element["instanceId"]
        record.instances[number] = {key: element[key] for key in INSTANCE}
        record.places["instance", number] = place
        record.extras["instance", number] = unknown(element)
    firsts: dict[str, int] = {}
    record.order = [firsts.setdefault(canonical(element), len(firsts)) for element in value["chatHistory"]]
    for place, element in enumerate(value["chatHistory"]):
        if record.order[place] < len(record.messages):
            continue
        row = {key: element[key] for key in MESSAGE}
        key = "message", len(record.messages)
        record.places[key], record.extras[key] = place, unknown(element)
        if row["instanceId"] not in record.instances and row["instanceId"] is not None:
            record.extras[key] |= {"instanceId": row["instanceId"]}
            row["instanceId"] = None
        record.messages.append(Message(value["id"], element["id"], row))
    return record


def unknown(element: Row) -> Row:
    return {NOTE: element[NOTE]} if NOTE in element else {}


def set_aside(record: Record, reason: str, place: str, result: Result) -> None:
    """Not in the main tables: whole into rejects."""
    result.database.rejects.add(
        Reject(reason, record.path, record.pointer, "session", record.session, canonical(record.value))
    )
    for kind, size in record.sizes.items():
        result.count(kind, place, size)


# ── Message ids ──────────────────────────────────────────────────────────────────────────────────────────────────────


def name_messages(records: list[Record], database: Database) -> dict[str, list[str]]:
    """The id under which each message of each session is stored, or would be.

    One once stored for a message is kept: it is known by session, own id and, where either side has several, by value.
    Else the earliest session has the own id, others `{id}@{session}`, and different ones of one session `…#{n}`; while
    that is taken, `~` is appended.
    """
    records = sorted(records, key=birth)
    named: dict[str, list[str | None]] = {record.session: stored_ids(record, database) for record in records}
    earliest: dict[str, str] = {}
    for record in records:
        for message in record.messages:
            earliest.setdefault(message.own, record.session)
    wanted = []
    for record in records:
        version = Counter()
        for place, message in enumerate(record.messages):
            version[message.own] += 1
            if named[record.session][place] is not None:
                continue
            first = version[message.own] == 1
            if first and earliest[message.own] == record.session and message.own not in database.messages:
                named[record.session][place] = message.own
            else:
                id_ = f"{message.own}@{record.session}"
                wanted.append((record.session, place, id_ if first else f"{id_}#{version[message.own]}"))
    taken = {message.own for record in records for message in record.messages} | set(database.messages)
    for session, place, id_ in wanted:
        while id_ in taken:
            id_ += "~"
        taken.add(id_)
        named[session][place] = id_
    return named


def birth(record: Record) -> tuple:
    created = instant(record.row["createdAt"])
    return created is None, created or NEVER, record.session.encode()


def stored_ids(record: Record, database: Database) -> list[str | None]:
    stored = {id_: message for id_, message in database.messages.items() if message.session == record.session}
    ids: list[str | None] = [None] * len(record.messages)
    for own in {message.own for message in record.messages}:
        mine = [place for place, message in enumerate(record.messages) if message.own == own]
        theirs = sorted(id_ for id_, message in stored.items() if message.own == own)
        if len(mine) > 1 or len(theirs) > 1:
            for place in list(mine):
                row = record.messages[place].row
                found = [id_ for id_ in theirs if equal(MESSAGE[:3], stored[id_].row, row)]
                if found:
                    ids[place] = found[0]
                    mine.remove(place)
                    theirs.remove(found[0])
        if len(mine) == len(theirs) == 1:
            ids[mine[0]] = theirs[0]
    return ids


# ── The merge ────────────────────────────────────────────────────────────────────────────────────────────────────────


def migrate(files: dict[str, tuple[str, list[Row]]], before: Database) -> Result:
    """A whole run. What is in no file any more is left alone: only in the database."""
    result = Result(deepcopy(before))
    database = result.database
    database.rejects = {reject for reject in before.rejects if reject.reason == "conflict" or reject.path not in files}
    records = read(files, before, result)
    ids = name_messages(records, before)
    for record in records:
        merge_session(record, ids[record.session], before, result)
    return result


def merge_session(record: Record, ids: list[str], before: Database, result: Result) -> None:
    database, session = result.database, record.session
    base, theirs = before.seen.get(session), before.sessions.get(session)
    database.seen[session] = record
    result.count("messages", "shadowed", record.sizes["messages"] - len(record.messages))
    changed = base is None or json.dumps(base.value) != json.dumps(record.value)

    if theirs is None:
        if base and unchanged(base, record):  # yes | same | gone: stays deleted
            outcome = "database_newer"
            reject(result, "deleted_in_database", record, record.pointer, "session", session, canonical(record.value))
        else:  # yes | changed | gone: inserted again, a session whole; no | there | not there: inserted
            outcome = "inserted"
            result.warnings["reinserted"] += base is not None
            database.sessions[session] = dict(record.row)
            database.instances |= {(session, number): dict(row) for number, row in record.instances.items()}
            database.messages |= {id_: deepcopy(message) for id_, message in zip(ids, record.messages, strict=True)}
            follow(record, ids, database, set(), everything=True)
            result.ordered[session] = list(record.instances), ids
        for kind, size in (("sessions", 1), ("instances", len(record.instances)), ("messages", len(record.messages))):
            result.count(kind, outcome, size)
        return

    ours_later = (instant(record.row["updatedAt"]) or NEVER) > (instant(theirs["updatedAt"]) or NEVER)
    older = (  # an old file restored: the database still has JSON's own time, and JSON is before it
        base is not None
        and same("updatedAt", base.row["updatedAt"], theirs["updatedAt"])
        and instant(theirs["updatedAt"]) is not None
        and (instant(record.row["updatedAt"]) or NEVER) < instant(theirs["updatedAt"])
    )  # fmt: skip
    merging = Merging(result, record, ours_later, older)
    database.sessions[session] = merging.row("sessions", SESSION, base and base.row, record.row, theirs)
    new: set[tuple[str, Any]] = set()
    for number, row in record.instances.items():
        known = base and base.instances.get(number)
        key = session, number
        if key in before.instances:
            database.instances[key] = merging.row("instances", INSTANCE, known, row, before.instances[key])
        elif merging.comes_in("instance", number, str(number), known and [known], INSTANCE, row):
            database.instances[key] = dict(row)
            new.add(("instance", number))
    for place, (id_, message) in enumerate(zip(ids, record.messages, strict=True)):
        known = (base and base.values_of(message.own)) or None
        stored = before.messages.get(id_)
        if stored is None or merging.namesakes(known, message.row, stored.row):
            if merging.comes_in("message", place, message.own, known, MESSAGE, message.row):
                database.messages[id_] = deepcopy(message)
                new.add(("message", place))
        else:
            row = merging.message(known, message.row, stored.row)
            database.messages[id_] = Message(session, message.own, row)
    merging.conclude(before)
    follow(record, ids, database, new, everything=changed and not older)
    if changed and not older:
        result.ordered[session] = list(record.instances), ids
    drop_references(database, session)


@dataclass
class Merging:
    """One session that both sides have."""

    result: Result
    record: Record
    ours_later: bool
    older: bool
    conflict: bool = False
    kept_older: bool = False

    def row(self, kind: str, keys: tuple[str, ...], base: Row | None, ours: Row, theirs: Row) -> Row:
        """By column: changed on one side takes that side; on both differently the later, a tie is the database's."""
        merged, came, differs = dict(theirs), False, False
        for key in keys:
            if same(key, ours[key], theirs[key]):
                continue
            differs = True
            if base is None:  # no base: as changed and changed, but NULL yields to a value
                side = "ours" if theirs[key] is None else "theirs" if ours[key] is None else "both"
            else:
                side = side_that_changed(same(key, base[key], ours[key]), same(key, base[key], theirs[key]))
            if self._takes(side):
                merged[key], came = ours[key], True
        self.result.count(kind, "updated" if came else "database_newer" if differs else "unchanged")
        return merged

    def message(self, base: list[Row] | None, ours: Row, theirs: Row) -> Row:
        """The ledger knows a message as a whole: it is one column."""
        if base is None or equal(MESSAGE, ours, theirs):
            return self.row("messages", MESSAGE, None, ours, theirs)
        side = side_that_changed(*(any(equal(MESSAGE, row, each) for each in base) for row in (ours, theirs)))
        taken = self._takes(side)
        self.result.count("messages", "updated" if taken else "database_newer")
        return dict(ours if taken else theirs)

    def _takes(self, side: str) -> bool:
        """Whether JSON's value is taken."""
        if side != "theirs" and self.older:
            self.kept_older = True
            return False
        self.conflict = self.conflict or side == "both"
        return side == "ours" or (side == "both" and self.ours_later)

    def namesakes(self, base: list[Row] | None, ours: Row, theirs: Row) -> bool:
        """Two different messages that JSON had under one id: what is stored is the other one."""
        if equal(MESSAGE, ours, theirs):
            return False
        return all(any(equal(MESSAGE, row, each) for each in base or ()) for row in (ours, theirs))

    def comes_in(
        self, entity: str, key: Any, own: str, base: list[Row] | None, keys: tuple[str, ...], ours: Row
    ) -> bool:
        """Not there: new, or deleted by a person and changed since; else it stays deleted, whole in rejects."""
        stays = base is not None and (self.older or any(equal(keys, ours, each) for each in base))
        self.result.count(f"{entity}s", "database_newer" if stays else "inserted")
        if stays:
            pointer, text = self.record.element(entity, key)
            reject(self.result, "deleted_in_database", self.record, pointer, entity, own, text)
        else:
            self.result.warnings["reinserted"] += base is not None
        return not stays

    def conclude(self, before: Database) -> None:
        """The losing version of the session whole into rejects."""
        session = self.record.session
        if self.kept_older:
            self.result.warnings["older_json"] += 1
            self.result.older.add(session)
        if self.conflict:
            self.result.conflicts.add(session)
            if self.ours_later:
                reject(self.result, "conflict", self.record, None, "session", session, version_of(before, session))
            else:
                text = canonical(self.record.value)
                reject(self.result, "conflict", self.record, self.record.pointer, "session", session, text)


def side_that_changed(ours_is_base: bool, theirs_is_base: bool) -> str:
    return {(False, True): "ours", (True, False): "theirs"}.get((ours_is_base, theirs_is_base), "both")


def unchanged(base: Record, now: Record) -> bool:
    """Whether JSON says the same as at the last run; order does not count, but repeats do."""

    def said(record: Record) -> list[Any]:
        rows = [record.row, *(record.instances[number] for number in sorted(record.instances))]
        return [
            list(map(comparable_row, rows)),
            sorted(record.instances),
            sorted(message.own + canonical(comparable_row(message.row)) for message in record.messages),
            sorted(f"{entity} {extra[NOTE]}" for (entity, _), extra in record.extras.items() if NOTE in extra),
            record.order if len(record.order) > len(record.messages) else None,
        ]

    return said(base) == said(now)


def comparable_row(row: Row) -> Row:
    return {key: comparable(key, value) for key, value in row.items()}


def comparable(key: str, value: Any) -> Any:
    return value if value is None or key not in TIMES else instant(value) or value


def reject(result: Result, reason: str, record: Record, pointer: str | None, entity: str, key: str, text: str) -> None:
    result.database.rejects.add(Reject(reason, record.path, pointer, entity, key, text))


def version_of(database: Database, session: str) -> str:
    """A session as the database has it, as the editor would write it; lists in the order of their ids."""
    row, instances, messages = database.of(session)
    value = (
        {"id": session} | {key: row[key] for key in SESSION[1:]} | database.residue.get(("session", session, ""), {})
    )
    value["instances"] = [
        {"instanceId": number} | instances[number] | database.residue.get(("instance", session, str(number)), {})
        for number in sorted(instances)
    ]
    value["chatHistory"] = [written(database, id_, message) for id_, message in messages.items()]
    value["chatHistory"].sort(key=canonical)
    return canonical(value)


def written(database: Database, id_: str, message: Message) -> Row:
    value = {"id": message.own} | message.row
    extra = database.residue.get(("message", message.session, id_), {})
    if value["instanceId"] is None and "instanceId" in extra:
        value["instanceId"] = extra["instanceId"]
    return value | {key: extra[key] for key in (NOTE,) if key in extra}


# ── What follows JSON ────────────────────────────────────────────────────────────────────────────────────────────────


def follow(record: Record, ids: list[str], database: Database, new: set[tuple[str, Any]], *, everything: bool) -> None:
    """Residue follows JSON where that has changed; else only that of new rows comes in."""
    for (entity, key), extra in record.extras.items():
        if not everything and (entity, key) not in new:
            continue
        if entity == "message":
            id_, message = ids[key], record.messages[key]
            extra = extra | ({"id": message.own} if message.own != id_ else {})
            number, kept = message.row["instanceId"], database.residue.get(("message", record.session, id_), {})
            lost = number is not None and (record.session, number) not in database.instances
            written = id_ in database.messages and database.messages[id_].row["instanceId"] == number
            if lost and ("instanceId" in kept or written):
                extra |= {"instanceId": number}
            key = id_
        place = (entity, record.session, str(key))
        database.residue.pop(place, None)
        if extra:
            database.residue[place] = extra


def drop_references(database: Database, session: str) -> None:
    """A message refers to an instance that the database has."""
    for message in database.messages.values():
        if message.session == session and (session, message.row["instanceId"]) not in database.instances:
            message.row["instanceId"] = None
