"""Histories of both sides, made up at random, against the model of the rules (merge_model.py).

A history is a list of steps; a step is some changes, in JSON and in the database, and a run. After each run the
database is what the model says, the run says of itself what the model says, and nothing that a side wrote is lost.
The quick suite plays a few of them; a night's worth: HISTORIES=2000 pytest tests/test_merge_model.py
"""

from __future__ import annotations

import json
import os
import random
import re
import shutil
import sqlite3
from collections import Counter
from collections.abc import Iterable
from contextlib import closing
from copy import deepcopy
from pathlib import Path
from typing import Any

import merge_model as model
import pytest
from conftest import Home
from merge_model import INSTANCE, MESSAGE, NOTE, SESSION, Database, Message, Reject, Result

from ait42nb import publish, samples
from ait42nb.errors import DatabaseLocked
from ait42nb.mapping import workspace_hash
from ait42nb.summary import summarize

HISTORIES = int(os.environ.get("HISTORIES", "4"))

TEXTS = ("a", "b", "日本\0語", "")
MOMENTS = (
    "2025-11-01T09:00:00.000Z",
    "2025-11-01T18:00:00+09:00",  # the same
    "2025-11-02T09:00:00.5Z",
    "2025-11-02T09:00:00.500000000+00:00",  # the same
    "2025-11-03T00:00:00.123456789+00:00",
    "soon",
)
NUMBERS = (None, 0, 1, 2**31 - 1)
VALUES: dict[str, tuple[Any, ...]] = {
    "type": ("competition", "debate", "other"),
    "task": TEXTS,
    "status": model.STATUSES,
    **dict.fromkeys(("createdAt", "updatedAt", "timestamp"), MOMENTS),
    **dict.fromkeys(("completedAt", "startTime", "endTime"), (None, *MOMENTS)),
    **dict.fromkeys(("model", "output", "runtime", "runtimeLabel"), (None, *TEXTS)),
    **dict.fromkeys(("worktreePath", "branch", "agentName", "tmuxSessionId", "role", "content"), TEXTS),
    **dict.fromkeys(("timeoutSeconds", "winnerId", "totalFilesChanged", "totalLinesAdded"), NUMBERS),
    **dict.fromkeys(("totalLinesDeleted", "filesChanged", "linesAdded", "linesDeleted"), NUMBERS),
    "totalDuration": (None, 0, 2**63 - 1),
    "preserveWorktrees": (False, True),
    "runtimeMix": (None, ["claude"], ["claude", "日本"], []),
    "instanceId": (None, 1, 2, 3),
}
WORKSPACES = ("/home/aki/app", "/home/aki/copy", "/home/aki/web")
SESSIONS = ("s1", "s2", "s3", "s4")
INSTANCES = (1, 2, 3)
MESSAGES = ("m1", "m2", "m3", "m1@s2", "m2@s1#2")
WORKTREES = "/elsewhere"  # no ancestor of it is a workspace

JSON_CHANGES = (
    "edit_session", "edit_session", "edit_instance", "edit_instance", "edit_message", "edit_message", "touch", "touch",
    "note", "remove", "add_session", "add_instance", "add_message", "add_message", "reorder", "break_or_mend",
    "copy_record", "move_record", "vanish", "keep_files", "restore_files",
)  # fmt: skip
DATABASE_CHANGES = (
    "set_session", "set_session", "set_instance", "set_instance", "set_message", "set_message", "set_updated",
    "delete_session", "delete_instance", "delete_message", "insert_session", "insert_instance", "insert_message",
    "keep_database", "restore_database",
)  # fmt: skip
RUNS = ("migrate",) * 6 + ("dry_run", "again", "killed", "killed")


def made_up(number: int) -> list[tuple[list[tuple], str, int]]:
    """The steps of a history: changes, the kind of run after them, and that run's number."""
    chance = random.Random(number)

    def change() -> tuple:
        return chance.choice(JSON_CHANGES + DATABASE_CHANGES), *(chance.randrange(12) for _ in range(3))

    return [
        ([change() for _ in range(chance.randint(1, 8))], chance.choice(RUNS), chance.randint(1, 3))
        for _ in range(chance.randint(3, 6))
    ]


def pick(options: Any, number: int) -> Any:
    options = list(options)
    return options[number % len(options)] if options else None


def snake(key: str) -> str:
    return {"workspace": "workspace_path"}.get(key) or re.sub("[A-Z]", lambda letter: f"_{letter[0].lower()}", key)


def new_session(id_: str, variant: int) -> dict[str, Any]:
    return samples.session(
        id=id_, task=pick(TEXTS, variant), updatedAt=pick(MOMENTS, variant), winnerId=pick(NUMBERS, variant)
    )


def new_instance(number: int, variant: int) -> dict[str, Any]:
    return samples.instance(instanceId=number, worktreePath=WORKTREES, output=pick(VALUES["output"], variant))


def new_message(id_: str, variant: int) -> dict[str, Any]:
    return samples.message(id=id_, content=pick(TEXTS, variant), instanceId=pick(VALUES["instanceId"], variant // 3))


class World:
    """Both sides, and the model of the database. Each change takes three small numbers, which choose what and how."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.home = Home(folder / "home")
        self.home.mapping = {workspace_hash(workspace): workspace for workspace in WORKSPACES}
        (self.home.path / "workspace_mapping.json").write_text(json.dumps(self.home.mapping))
        messages = [new_message("m1", 0), new_message("m2", 4)]
        first = new_session("s1", 0) | {"instances": [new_instance(1, 0), new_instance(2, 1)], "chatHistory": messages}
        second = new_session("s2", 1) | {"instances": [new_instance(1, 0)], "chatHistory": [new_message("m1", 1)]}
        self.files: dict[str, list[dict[str, Any]]] = {WORKSPACES[0]: [first, second]}
        self.kept_files = deepcopy(self.files)
        self.model = Database()
        self.kept_model: Database | None = None

    # ── JSON ─────────────────────────────────────────────────────────────────────────────────────────────────────────

    @property
    def records(self) -> list[dict[str, Any]]:
        return [record for workspace in sorted(self.files) for record in self.files[workspace]]

    def elements(self, name: str) -> list[dict[str, Any]]:
        return [element for record in self.records for element in record[name]]

    def edit(self, elements: list[dict[str, Any]], keys: tuple[str, ...], a: int, b: int, c: int) -> None:
        if elements:
            key = pick(keys, b)
            pick(elements, a)[key] = deepcopy(pick(VALUES[key], c))

    def edit_session(self, a: int, b: int, c: int) -> None:
        self.edit(self.records, SESSION[1:], a, b + c, c)

    def edit_instance(self, a: int, b: int, c: int) -> None:
        self.edit(self.elements("instances"), INSTANCE[1:], a, b + c, c)

    def edit_message(self, a: int, b: int, c: int) -> None:
        self.edit(self.elements("chatHistory"), MESSAGE, a, b, c)

    def touch(self, a: int, b: int, c: int) -> None:
        self.edit(self.records, ("updatedAt",), a, b, c)

    def note(self, a: int, b: int, c: int) -> None:
        element = pick(self.records + self.elements("instances") + self.elements("chatHistory"), a + b)
        if element and c % 3:
            element[NOTE] = c
        elif element:
            element.pop(NOTE, None)

    def remove(self, a: int, b: int, c: int) -> None:
        lists = [*self.files.values(), *(record[name] for record in self.records for name in model.LISTS)]
        elements = pick([each for each in lists if each], a)
        if elements:
            elements.pop(b % len(elements))

    def add_session(self, a: int, b: int, c: int) -> None:
        self.files.setdefault(pick(WORKSPACES, b), []).append(new_session(pick(SESSIONS, a), c))

    def add_instance(self, a: int, b: int, c: int) -> None:
        record, number = pick(self.records, a), pick(INSTANCES, b)
        if record and number not in [each["instanceId"] for each in record["instances"]]:
            record["instances"].append(new_instance(number, c))

    def add_message(self, a: int, b: int, c: int) -> None:
        if record := pick(self.records, a):
            record["chatHistory"].append(new_message(pick(MESSAGES, b), c))

    def reorder(self, a: int, b: int, c: int) -> None:
        lists = [*self.files.values(), *(record[name] for record in self.records for name in model.LISTS)]
        if elements := pick([each for each in lists if len(each) > 1], a):
            elements.append(elements.pop(b % len(elements)))

    def break_or_mend(self, a: int, b: int, c: int) -> None:
        if record := pick(self.records, a):
            record["status"] = "running" if record["status"] == "lost" else "lost"

    def copy_record(self, a: int, b: int, c: int) -> None:
        if record := pick(self.records, a):
            self.files.setdefault(pick(WORKSPACES, b), []).append(deepcopy(record))

    def move_record(self, a: int, b: int, c: int) -> None:
        if record := pick(self.records, a):
            for sessions in self.files.values():
                sessions[:] = [each for each in sessions if each is not record]
            self.files.setdefault(pick(WORKSPACES, b), []).append(record)

    def vanish(self, a: int, b: int, c: int) -> None:
        if len(self.files) > 1:
            del self.files[pick(sorted(self.files), a)]

    def keep_files(self, a: int, b: int, c: int) -> None:
        self.kept_files = deepcopy(self.files)

    def restore_files(self, a: int, b: int, c: int) -> None:
        workspace = pick(sorted(self.kept_files), a)
        self.files[workspace] = deepcopy(self.kept_files[workspace])

    # ── The database ─────────────────────────────────────────────────────────────────────────────────────────────────

    def sql(self, statement: str, *values: Any) -> None:
        with closing(sqlite3.connect(self.home.database)) as connection, connection:
            connection.execute("pragma foreign_keys = on")
            assert connection.execute(statement, values).rowcount == 1

    def update(self, table: str, where: str, keys: tuple[Any, ...], row: dict[str, Any], key: str, c: int) -> None:
        row[key] = value = deepcopy(pick(VALUES[key], c))
        if key == "runtimeMix" and value is not None:
            value = json.dumps(value, ensure_ascii=bool(c % 2))  # with blanks, and perhaps escapes
        self.sql(f"update {table} set {snake(key)} = ? where {where}", value, *keys)  # noqa: S608

    def set_session(self, a: int, b: int, c: int) -> None:
        if id_ := pick(sorted(self.model.sessions), a):
            self.update("sessions", "id = ?", (id_,), self.model.sessions[id_], pick(SESSION[1:], b + c), c)

    def set_updated(self, a: int, b: int, c: int) -> None:
        if id_ := pick(sorted(self.model.sessions), a):
            self.update("sessions", "id = ?", (id_,), self.model.sessions[id_], "updatedAt", b)

    def set_instance(self, a: int, b: int, c: int) -> None:
        if place := pick(sorted(self.model.instances), a):
            where = "session_id = ? and instance_id = ?"
            self.update("instances", where, place, self.model.instances[place], pick(INSTANCE, b + c), c)

    def set_message(self, a: int, b: int, c: int) -> None:
        if not (id_ := pick(sorted(self.model.messages), a)):
            return
        message = self.model.messages[id_]
        if b % 4 < 3:
            self.update("chat_messages", "id = ?", (id_,), message.row, MESSAGE[b % 4], c)
            return
        message.row["instanceId"] = number = pick([None, *self.model.of(message.session)[1]], c)
        reference = "(select id from instances where session_id = ? and instance_id = ?)"
        self.sql(f"update chat_messages set instance_id_ref = {reference} where id = ?", message.session, number, id_)  # noqa: S608

    def delete_session(self, a: int, b: int, c: int) -> None:
        if id_ := pick(sorted(self.model.sessions), a):
            self.sql("delete from sessions where id = ?", id_)
            _, instances, messages = self.model.of(id_)
            del self.model.sessions[id_]
            for number in instances:
                del self.model.instances[id_, number]
            for message in messages:
                del self.model.messages[message]

    def delete_instance(self, a: int, b: int, c: int) -> None:
        if place := pick(sorted(self.model.instances), a):
            self.sql("delete from instances where session_id = ? and instance_id = ?", *place)
            del self.model.instances[place]
            model.drop_references(self.model, place[0])

    def delete_message(self, a: int, b: int, c: int) -> None:
        if id_ := pick(sorted(self.model.messages), a):
            self.sql("delete from chat_messages where id = ?", id_)
            del self.model.messages[id_]

    def insert(self, table: str, row: dict[str, Any]) -> None:
        columns = {
            snake(key): json.dumps(value) if key == "runtimeMix" and value else value for key, value in row.items()
        }
        marks = ", ".join("?" * len(columns))
        self.sql(f"insert into {table} ({', '.join(columns)}) values ({marks})", *columns.values())  # noqa: S608

    def insert_session(self, a: int, b: int, c: int) -> None:
        id_ = pick(SESSIONS, a)
        if self.home.database.exists() and id_ not in self.model.sessions:
            row = {"workspace": pick(WORKSPACES, b)} | {key: new_session(id_, c)[key] for key in SESSION[1:]}
            self.insert("sessions", {"id": id_} | row)
            self.model.sessions[id_] = row

    def insert_instance(self, a: int, b: int, c: int) -> None:
        id_, number = pick(sorted(self.model.sessions), a), pick(INSTANCES, b)
        if id_ and (id_, number) not in self.model.instances:
            row = {key: new_instance(number, c)[key] for key in INSTANCE}
            self.insert("instances", {"sessionId": id_, "instanceId": number} | row)
            self.model.instances[id_, number] = row

    def insert_message(self, a: int, b: int, c: int) -> None:
        session, id_ = pick(sorted(self.model.sessions), a), pick(MESSAGES, b)
        if session and id_ not in self.model.messages:
            row = {key: new_message(id_, c)[key] for key in MESSAGE} | {"instanceId": None}
            self.insert("chat_messages", {"id": id_, "sessionId": session} | {key: row[key] for key in MESSAGE[:3]})
            own = self.model.residue.get(("message", session, id_), {}).get("id", id_)
            self.model.messages[id_] = Message(session, own, row)

    def keep_database(self, a: int, b: int, c: int) -> None:
        if self.home.database.exists():
            shutil.copy(self.home.database, self.folder / "kept.db")
            self.kept_model = deepcopy(self.model)

    def restore_database(self, a: int, b: int, c: int) -> None:
        if self.kept_model:
            shutil.copy(self.folder / "kept.db", self.home.database)
            self.model = deepcopy(self.kept_model)

    # ── Runs ─────────────────────────────────────────────────────────────────────────────────────────────────────────

    def write(self) -> None:
        for workspace in WORKSPACES:
            file = self.file(workspace)
            if workspace not in self.files:
                file.unlink(missing_ok=True)
            elif not file.exists() or file.read_text() != samples.dumps(self.files[workspace]):
                self.home.write(workspace, self.files[workspace])

    def file(self, workspace: str) -> Path:
        return self.home.path / "sessions" / f"{workspace_hash(workspace)}.json"

    def expect(self) -> Result:
        return model.migrate(self.sources(), self.model)

    def sources(self) -> dict[str, tuple[str, list[dict[str, Any]]]]:
        return {f"sessions/{self.file(w).name}": (w, sessions) for w, sessions in self.files.items()}

    def migrate(self, number: int) -> None:
        """A run that comes to its end."""
        self.write()
        before, expected = self.model, self.expect()

        run = self.home.run()

        if run.failure:
            raise run.failure
        summary = summarize(run)
        check_database(self.home, expected)
        check_summary(summary, expected)
        check_nothing_is_lost(self.sources(), before, expected)
        self.model = expected.database
        self.home_summary = summary

    def dry_run(self, number: int) -> None:
        """A dry run tells what the run after it does (invariant 4)."""
        self.write()
        before = everything(self.home)
        dry = summarize(self.home.run(dry_run=True))
        assert everything(self.home) == before
        self.migrate(number)
        for part in ("outcome", "balance", "rejects", "warnings"):
            assert dry[part] == self.home_summary[part]

    def again(self, number: int) -> None:
        """A run over the same state changes no row (invariant 8)."""
        self.migrate(number)
        self.migrate(number)
        before = everything(self.home)
        self.migrate(number)
        assert everything(self.home) == before

    def killed(self, number: int) -> None:
        """A run that ends after so many sessions, each in a slice of its own: each is as it was, or complete."""
        self.write()
        before, expected = self.model, self.expect()
        had, ledger = self.home.database.exists(), self.ledger()
        with pytest.MonkeyPatch.context() as patch:
            cut_off(patch, number)
            run = self.home.run()
        assert run.failure is None or isinstance(run.failure, DatabaseLocked)
        if not had:
            assert run.failure is None, "the first run has no slices"
        if run.failure is None:
            self.model = expected.database
            return
        after = deepcopy(before)
        found, now = stored(self.home), self.ledger()
        for session in {*before.sessions, *expected.database.sessions, *expected.database.seen}:
            done = now.get(session) != ledger.get(session) or found.of(session) != before.of(session)
            side = expected.database if done else before
            assert found.of(session) == side.of(session), f"session {session} is neither as it was nor complete"
            if done:
                adopt(after, expected.database, session)
        self.model = after

    def ledger(self) -> dict[str, tuple]:
        if not self.home.database.exists():
            return {}
        return {
            row[0]: row[1:]
            for row in self.home.rows(
                "select session_id, source_path, pointer, document_sha256, base from migration_ledger"
            )
        }


def cut_off(patch: pytest.MonkeyPatch, sessions: int) -> None:
    """Let a merge take its lock for each session anew, and fail after so many."""
    merge_slice, seen = publish._merge_slice, [0]

    def failing(run: Any, connection: sqlite3.Connection, *arguments: Any) -> bool:
        *_, until = arguments
        if until is not None:
            if seen[0] == sessions:
                raise DatabaseLocked("the test", "cuts the run off", "Run again")
            seen[0] += 1
        return merge_slice(run, connection, *arguments)

    patch.setattr(publish, "SLICE_SECONDS", -1.0)
    patch.setattr(publish, "PAUSE", 0.0)
    patch.setattr(publish, "_merge_slice", failing)


def adopt(target: Database, source: Database, session: str) -> None:
    """Take one session over from another state."""
    for name in ("sessions", "seen"):
        getattr(target, name).pop(session, None)
        if session in getattr(source, name):
            getattr(target, name)[session] = deepcopy(getattr(source, name)[session])
    for name in ("instances", "residue", "messages"):
        mine, theirs = getattr(target, name), getattr(source, name)
        owner = {"instances": lambda k, v: k[0], "residue": lambda k, v: k[1], "messages": lambda k, v: v.session}[name]
        for key in [key for key, value in mine.items() if owner(key, value) == session]:
            del mine[key]
        mine |= {key: deepcopy(value) for key, value in theirs.items() if owner(key, value) == session}
    target.rejects |= {
        each for each in source.rejects if each.key == session and each.reason in ("conflict", "deleted_in_database")
    }


# ── What is found ────────────────────────────────────────────────────────────────────────────────────────────────────


def stored(home: Home) -> Database:
    """The database as it is, in the model's form; without the ledger and the rejects."""
    found = Database()
    with closing(sqlite3.connect(f"file:{home.database}?mode=ro", uri=True)) as connection:
        connection.row_factory = sqlite3.Row
        for entity, session, key, document in connection.execute("select * from migration_residue"):
            if entity != "order":
                found.residue[entity, session, key] = json.loads(document)
        for row in connection.execute("select * from sessions"):
            values = {key: row[snake(key)] for key in SESSION}
            values["preserveWorktrees"] = bool(values["preserveWorktrees"])
            values["runtimeMix"] = values["runtimeMix"] and json.loads(values["runtimeMix"])
            found.sessions[row["id"]] = values
        for row in connection.execute("select * from instances"):
            found.instances[row["session_id"], row["instance_id"]] = {key: row[snake(key)] for key in INSTANCE}
        query = "select m.*, instance_id from chat_messages m left join instances i on i.id = instance_id_ref"
        for row in connection.execute(query):
            own = found.residue.get(("message", row["session_id"], row["id"]), {}).get("id", row["id"])
            found.messages[row["id"]] = Message(row["session_id"], own, {key: row[snake(key)] for key in MESSAGE})
    return found


def everything(home: Home) -> dict[str, list[tuple]]:
    """Every row of every table but the runs."""
    tables = ("sessions", "instances", "chat_messages")
    tables += tuple(f"migration_{name}" for name in ("ledger", "residue", "rejects", "files"))
    there = tables if home.database.exists() else ()
    return {table: home.rows(f"select rowid, * from {table} order by rowid") for table in there}  # noqa: S608


def check_database(home: Home, expected: Result) -> None:
    """Rows, residue, rejects, order and counts."""
    found, wanted = stored(home), expected.database
    assert found.sessions == wanted.sessions
    assert found.instances == wanted.instances
    assert found.messages == wanted.messages
    assert residue_of_rows(found.residue, wanted) == residue_of_rows(wanted.residue, wanted)
    assert found_rejects(home) == wanted.rejects
    for session, (numbers, ids) in expected.ordered.items():
        query = "select instance_id from instances where session_id = ? order by id"
        check_order(home, session, "instances", query, numbers)
        query = "select id from chat_messages where session_id = ? order by rowid"
        check_order(home, session, "chatHistory", query, ids)
    counts = home.rows("select id, instance_count, message_count from sessions")
    assert counts == [(id_, *map(len, wanted.of(id_)[1:])) for id_, *_ in counts]


def residue_of_rows(residue: dict[tuple[str, str, str], Any], database: Database) -> dict[tuple[str, str, str], Any]:
    """What is kept beside a row that is not there tells nothing."""

    def there(entity: str, session: str, key: str) -> bool:
        row, instances, messages = database.of(session)
        return {"session": row, "instance": key in map(str, instances), "message": key in messages}[entity]

    return {place: document for place, document in residue.items() if there(*place)}


def found_rejects(home: Home) -> set[Reject]:
    """The lists of a version from the database have no order that the model knows."""
    found = []
    for *place, document in home.rows(
        "select reason, source_path, pointer, entity, key, document from migration_rejects"
    ):
        value = json.loads(document)
        if place[2] is None:
            value["instances"].sort(key=lambda element: element["instanceId"])
            value["chatHistory"].sort(key=model.canonical)
        found.append(Reject(*place, model.canonical(value)))
    assert len(found) == len(set(found)), "a reject stands there twice"
    return set(found)


def check_order(home: Home, session: str, name: str, query: str, wanted: list[Any]) -> None:
    """A list stands in JSON's order, as a reader of rows and residue finds it."""
    keys = [key for (key,) in home.rows(query, session)]
    told = "select document from migration_residue where entity = 'order' and session_id = ? and key = ?"
    for (document,) in home.rows(told, session, name):
        keys.sort(key=list(dict.fromkeys(json.loads(document)["order"] + keys)).index)
    assert [key for key in keys if key in wanted] == [key for key in wanted if key in keys]


def check_summary(summary: dict[str, Any], expected: Result) -> None:
    for kind, books in expected.books.items():
        found = {place: n for place, n in summary["balance"][kind].items() if n}
        assert found == {place: n for place, n in (books | {"source": books.total()}).items() if n}, kind
    said = {reason: summary["warnings"].get(reason, 0) for reason in ("older_json", "reinserted")}
    assert said == {reason: expected.warnings[reason] for reason in said}
    assert summary["rejects"] == dict(Counter(reject.reason for reject in expected.database.rejects))
    assert summary["outcome"] == ("held" if expected.books["sessions"]["held"] or expected.conflicts else "ok")


# ── Nothing is lost ──────────────────────────────────────────────────────────────────────────────────────────────────


def facts(documents: Iterable[dict[str, Any]]) -> set[tuple]:
    """Every value of these sessions: session, list, the row's own id, key, value."""
    rows = [(document["id"], "", "", document) for document in documents]
    for session, *_, document in list(rows):
        rows += [(session, "instances", each["instanceId"], each) for each in document["instances"]]
        rows += [(session, "chatHistory", each["id"], each) for each in document["chatHistory"]]
    return {
        (*place, key, repr(model.comparable(key, value)))
        for *place, row in rows
        for key, value in row.items()
        if key not in model.LISTS
    }


def check_nothing_is_lost(files: dict[str, tuple[str, list[dict[str, Any]]]], before: Database, result: Result) -> None:
    """What a side has written since the last run is in the database or, whole, in rejects: said without the rules.

    Only a NULL without a base yields, and the values of an older file, which are from before.
    """
    json_now = {path: sessions for path, (_, sessions) in files.items()}
    kept = [json.loads(model.version_of(result.database, session)) for session in result.database.sessions]
    for reject in result.database.rejects:
        value = json.loads(reject.document)
        if reject.entity == "session":
            kept.append(value)
        elif reject.path in files:
            _, place, name, _ = reject.pointer.split("/")
            session = json_now[reject.path][int(place)]["id"]
            kept.append({"id": session, "instances": [], "chatHistory": []} | {name: [value]})
    known = facts(record.value for record in before.seen.values())
    in_database = facts(json.loads(model.version_of(before, session)) for session in before.sessions)
    in_json = facts(session for sessions in json_now.values() for session in sessions)
    rows_known, rows_stored = ({fact[:3] for fact in side} for side in (known, in_database))
    older = {fact for fact in in_json if fact[0] in result.older and fact[:3] in rows_known | rows_stored}
    lost = (in_database | in_json - older) - known - facts(kept)
    assert {fact for fact in lost if fact[-1] != "None" or fact[:3] in rows_known} == set()


# ── The test ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("number", range(HISTORIES))
def test_histories(tmp_path, number):
    """Whatever both sides do, each run leaves what the rules say, and nothing is lost (invariants 1, 2, 4, 6 and 8)."""
    world = World(tmp_path)
    world.migrate(0)
    for batch, run, slices in made_up(number):
        for name, *numbers in batch:
            getattr(world, name)(*numbers)
        getattr(world, run)(slices)
