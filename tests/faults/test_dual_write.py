"""The weeks in which the editor writes both stores: real processes write real files while runs go on beside them.

`FAULTS=full` lets them go on for longer.
"""

from __future__ import annotations

import json
import random
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import pytest
from conftest import Home
from support import FULL, PATIENCE, fault, require, start

from ait42nb import inventory, pipeline, samples, validate
from ait42nb.summary import summarize

pytest_plugins = ["support"]

SECONDS = 240 if FULL else 20
EDITOR_WAITS = 5.0  # then its library gives up


@contextmanager
def writing(target: Callable, *arguments: object) -> Iterator[dict[str, Any]]:
    """Another program writes until the block ends; then the dict holds what it was told is stored."""
    process, pipe = start(target, *arguments)
    told: dict[str, Any] = {}
    try:
        require(pipe, "ready")
        yield told
        pipe.send("stop")
        assert pipe.poll(PATIENCE)
        told |= pipe.recv()
        process.join(PATIENCE)
    finally:
        process.kill()
        process.join()
        pipe.close()


def rewrite(file: Path, sessions: list[dict], piece: int) -> None:
    """As the editor does it: in place, from an emptied file on."""
    text = samples.dumps(sessions).encode()
    with file.open("wb", buffering=0) as writing:
        for begin in range(0, len(text), piece):
            writing.write(text[begin : begin + piece])


def now() -> str:
    return datetime.now(UTC).isoformat().replace("+00:00", "Z")


def write_json(pipe: Connection, file: str) -> None:
    """Rewrite a file as fast as it goes, in small pieces; each version has a message more than the one before."""
    sessions = json.loads(Path(file).read_text())
    for number in range(10**9):
        sessions[0]["updatedAt"] = now()
        sessions[0]["chatHistory"].append(samples.message(id=f"written-{number}", content=f"話 {number}"))
        rewrite(Path(file), sessions, piece=101)
        if number == 0:
            pipe.send("ready")
        if pipe.poll():
            pipe.send({"messages": {f"written-{n}" for n in range(number + 1)}})
            return


def write_database(pipe: Connection, path: str, sessions: list[str]) -> None:
    """A message and an upsert of the status, again and again."""
    longest, number = 0.0, 0
    with closing(sqlite3.connect(path, isolation_level=None, timeout=EDITOR_WAITS)) as connection:
        connection.execute("pragma foreign_keys = on")
        while not pipe.poll():
            began, session = time.monotonic(), sessions[number % len(sessions)]
            connection.execute("begin immediate")
            row = f"live-{number}", session
            connection.execute("insert into chat_messages values (?, ?, null, 'user', 'live', 'now')", row)
            connection.execute("update sessions set winner_id = ? where id = ?", (number, session))
            connection.execute("commit")
            longest, number = max(longest, time.monotonic() - began), number + 1
            if number == 1:
                pipe.send("ready")
            time.sleep(0.002)
    pipe.send({"messages": {f"live-{n}" for n in range(number)}, "longest": longest})


def test_a_file_is_rewritten_as_fast_as_possible(home: Home, monkeypatch: pytest.MonkeyPatch):
    """No run fails over torn files or a busy database, none takes half a file for a whole one, and all comes in."""
    text = "長い話。" * 2000
    torn, _, _ = [
        home.write(f"/src/{name}", [samples.session(id=f"{name}-{n}", task=text) for n in range(10)])
        for name in ("app", "docs", "web")
    ]
    home.migrate()
    copies = [0, 0]
    copy = inventory._copy

    def counting(path: Path, target: Path) -> tuple:
        facts, settled, last = copy(path, target)
        if path == torn:
            copies[0 if settled and last == b"]" else 1] += 1
        return facts, settled, last

    monkeypatch.setattr(inventory, "_copy", counting)
    with fault("torn files"):
        end = time.monotonic() + SECONDS
        with (
            writing(write_database, str(home.database), ["app-0", "docs-0", "web-0"]) as in_database,
            writing(write_json, str(torn)) as in_json,
        ):
            while time.monotonic() < end:
                run = home.run()
                assert run.failure is None, run.failure
                assert set(summarize(run)["rejects"]) <= {"unstable"}
                for _ in range(10):
                    require_whole_files(home)
        assert min(copies) > 3, f"the writer was hardly in the way: {copies}"
        assert in_database["longest"] < EDITOR_WAITS
        summary = summarize(home.run())
        assert (summary["outcome"], summary["rejects"]) == ("ok", {})
        stored = {id_ for (id_,) in home.rows("select id from chat_messages")}
        assert stored == in_database["messages"] | in_json["messages"]
        assert home.rows("select count(*) from sessions where task = ?", text) == [(30,)]
        assert len(home.rows("select 1 from sessions where winner_id is not null")) == 3


def require_whole_files(home: Home) -> None:
    """What an inventory takes for settled is a version that was written to its end."""
    run = pipeline.start(ait42_home=str(home.path))
    for file in run.step(inventory.take_inventory).files:
        assert file.state in ("read", "unstable")
        assert file.state == "unstable" or len(json.loads(file.copy.read_text())) == 10
    run.close()


# ── The editor, in both stores ───────────────────────────────────────────────────────────────────────────────────────

# Each value is written once: one that comes back between two runs counts as unchanged (docs/merge.md).
FIELDS = {"winnerId": int, "model": "model {}".format, "task": "task {}, edited".format}


class Editor:
    """The editor's next version: whatever is done goes to JSON and to the database, and now and then one side fails.

    What a side has accepted is told at the end: each message, each session, and of each field the value written last.
    """

    def __init__(self, files: list[str], database: str) -> None:
        self.random = random.Random(1)
        self.json = {file: json.loads(Path(file).read_text()) for file in files}
        self.file_of: dict[str, str] = {}
        self.connection = sqlite3.connect(database, isolation_level=None, timeout=EDITOR_WAITS)
        self.connection.execute("pragma foreign_keys = on")
        self.messages: dict[str, str] = {}
        self.fields: dict[tuple[str, str], object] = {}
        self.longest = 0.0
        self.failed = {"json": 0, "database": 0}

    def both(self, id_: str, to_json: Callable, statement: str, values: list) -> bool:
        """Returns: whether a side has accepted it."""
        failing = self.random.choice(["json", "database", *["neither"] * 6])
        self.failed |= {failing: self.failed.get(failing, 0) + 1}
        accepted = 0
        if failing != "json":
            file = self.file_of[id_]
            to_json(next((s for s in self.json[file] if s["id"] == id_), None), self.json[file])
            rewrite(Path(file), self.json[file], piece=10**6)
            accepted += 1
        if failing != "database":
            began = time.monotonic()
            # while a session is in JSON only, the database has nothing to update: that is no acceptance
            accepted += self.connection.execute(statement, values).rowcount
            self.longest = max(self.longest, time.monotonic() - began)
        return accepted > 0

    def create(self, number: int) -> None:
        id_, file = f"s-{number}", self.random.choice([*self.json])
        new = samples.session(id=id_, task=f"task {number}", updatedAt=now(), status="running")
        self.file_of[id_] = file

        def append(_: object, sessions: list[dict]) -> None:
            sessions.append(new)
            if number % 3 == 0:  # the app shell creates it once more
                sessions.append(new | {"task": "shadow", "chatHistory": []})

        statement = (
            "insert into sessions (id, workspace_path, type, task, status, created_at, updated_at)"
            " values (?, ?, ?, ?, ?, ?, ?)"
        )
        row = [id_, WORKSPACES[[*self.json].index(file)], *(new[k] for k in ("type", "task", "status", "createdAt"))]
        self.both(id_, append, statement, [*row, new["updatedAt"]])

    def update(self, number: int) -> None:
        id_, name = self.random.choice([*self.file_of]), self.random.choice([*FIELDS])
        value, time = FIELDS[name](number), now()

        def edit(session: dict | None, _: list[dict]) -> None:
            if session:
                session |= {name: value, "updatedAt": time}

        column = {"winnerId": "winner_id"}.get(name, name)
        statement = f"update sessions set {column} = ?, updated_at = ? where id = ?"  # noqa: S608, a name of ours
        in_json = any(session["id"] == id_ for session in self.json[self.file_of[id_]])
        in_database = self.connection.execute("select 1 from sessions where id = ?", [id_]).fetchone()
        if in_json and in_database and self.both(id_, edit, statement, [value, time, id_]):
            self.fields[id_, name] = value

    def chat(self, number: int) -> None:
        id_ = self.random.choice([*self.file_of])
        message = samples.message(id=f"msg-{number}", content=f"話 {number}", timestamp=now())

        def append(session: dict | None, _: list[dict]) -> None:
            if session:
                session["chatHistory"].append(message)

        statement = "insert into chat_messages select ?, id, null, 'user', ?, ? from sessions where id = ?"
        in_json = any(session["id"] == id_ for session in self.json[self.file_of[id_]])
        in_database = self.connection.execute("select 1 from sessions where id = ?", [id_]).fetchone()
        if in_json and in_database:
            values = [message["id"], message["content"], message["timestamp"], id_]
            if self.both(id_, append, statement, values):
                self.messages[message["id"]] = message["content"]


WORKSPACES = ("/src/app", "/src/docs", "/src/web")


def edit(pipe: Connection, files: list[str], database: str) -> None:
    editor = Editor(files, database)
    number = 0
    while not pipe.poll():
        act = editor.create if number < 3 else editor.random.choice([editor.create, *[editor.update, editor.chat] * 8])
        act(number)
        number += 1
        if number == 3:
            pipe.send("ready")
        time.sleep(0.01)
    editor.connection.close()
    sessions = set(editor.file_of)
    told = {name: getattr(editor, name) for name in ("messages", "fields", "longest", "failed")}
    pipe.send(told | {"sessions": sessions})


def test_no_downtime(home: Home):
    """The editor never waits for long; at the end all that a side accepted is there, and validate says so."""
    files = [str(home.write(workspace, [])) for workspace in WORKSPACES]
    home.run()
    with fault("both stores written"):
        end, runs = time.monotonic() + SECONDS, 0
        with writing(edit, files, str(home.database)) as told:
            while time.monotonic() < end or runs < 3:
                run = home.run()
                assert run.failure is None, run.failure
                runs += 1
        assert home.run().failure is None
        assert told["longest"] < EDITOR_WAITS
        assert min(told["failed"].values()) > 3, "nothing ever failed"
        require_everything(home, told)

        run = validate.start(ait42_home=str(home.path))
        for step in (validate.examine_database, validate.compare_stores, validate.read_history, validate.judge):
            run.step(step)
        run.close()
        assert run.failure is None
        found = run.get(validate.Reconciliation)
        assert (found.waiting, found.held, found.count("only_in_json")) == (0, 0, 0)


def require_everything(home: Home, told: dict[str, Any]) -> None:
    """Sessions and messages stand in the tables; the value written last there too, or with the version that lost."""
    assert told["sessions"] == {id_ for (id_,) in home.rows("select id from sessions")}
    assert told["messages"] == dict(home.rows("select id, content from chat_messages"))
    query = "select id, winner_id, model, task from sessions"
    values = {id_: dict(zip(FIELDS, row, strict=True)) for id_, *row in home.rows(query)}
    lost = "select document from migration_rejects where reason = 'conflict' and key = ?"
    for (id_, name), value in told["fields"].items():
        versions = [values[id_], *(json.loads(document) for (document,) in home.rows(lost, id_))]
        assert value in [version.get(name) for version in versions], (id_, name)
