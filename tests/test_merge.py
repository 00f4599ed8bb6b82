"""Merging into a database that both sides have written: each row of the design's table, then what follows from it.

`Three` holds a session, an instance and a message, each alone in a session and a file of its own, because the table
holds for each kind by itself: whatever a test does it does to all three, and all three must come out alike.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from itertools import chain
from pathlib import Path
from subprocess import PIPE

import pytest
from conftest import Home

from ait42nb import inventory, pipeline, publish, samples, scan
from ait42nb.errors import DatabaseRefused, StrictRefused
from ait42nb.export import export_json
from ait42nb.mapping import workspace_hash
from ait42nb.merge import Effect, Reconciled
from ait42nb.reconcile import KINDS, PLACES
from ait42nb.samples import instance, message, session
from ait42nb.stored import Stored
from ait42nb.summary import summarize

APP = "/home/aki/app"
GONE = object()
BEFORE, NOW, LATER = "2025-11-01T09:00:00.000Z", "2025-11-02T09:00:00.000Z", "2025-11-03T09:00:00.000Z"
OWN_TABLES = ("migration_ledger", "migration_residue", "migration_rejects", "migration_files")


def migrate(home: Home, **parameters: object) -> dict:
    """A real run that succeeds; its books balance, file by file and in total (invariant 2).

    Returns: its summary, and in `files` the books of each file
    """
    run = home.run(**parameters)
    if run.failure:
        raise run.failure
    summary = summarize(run) | {"files": run.get(Reconciled).balance.files}
    for pages in [summary["balance"], *summary["files"].values()]:
        for kind in KINDS:
            assert pages[kind]["source"] == sum(pages[kind][place] for place in PLACES), (kind, pages)
            assert min(pages[kind].values()) >= 0
    return summary


def outcomes(summary: dict, kind: str) -> dict[str, int]:
    """What became of the rows of a kind, without the zeros."""
    return {place: n for place, n in summary["balance"][kind].items() if n and place != "source"}


def database(home: Home, statement: str, *values: object) -> None:
    """What the editor, or a person, writes into the database."""
    with closing(sqlite3.connect(home.database)) as connection, connection:
        connection.execute("pragma foreign_keys = on")
        assert connection.execute(statement, values).rowcount == 1, "the test changes nothing"


def content(home: Home) -> dict[str, list[tuple]]:
    """Every row of every table but the runs."""
    tables = ("sessions", "instances", "chat_messages", *OWN_TABLES)
    return {table: home.rows(f"select rowid, * from {table} order by rowid") for table in tables}  # noqa: S608


def rejects(home: Home, reason: str) -> list[tuple]:
    """The rejects of a reason: pointer, entity, key, and the document as JSON."""
    query = "select pointer, entity, key, document from migration_rejects where reason = ? order by reject_id"
    found = home.rows(query, reason)
    return [(*row, json.loads(document)) for *row, document in found]


def exported(home: Home, tmp_path: Path) -> dict[str, dict]:
    """The way back: each session as the editor of before would read it."""
    folder = tmp_path / "exported"
    shutil.rmtree(folder, ignore_errors=True)
    export_json(home.database, folder)
    return {record["id"]: record for file in folder.glob("*.json") for record in json.loads(file.read_text())}


# ── The table ────────────────────────────────────────────────────────────────────────────────────────────────────────


class Three:
    """A session, an instance and a message; the value in question is its task, its branch, its content.

    A value may be GONE.
    """

    def __init__(self, home: Home) -> None:
        self.home = home

    def json(self, value: object, updated: str = NOW) -> None:
        """JSON as it is now; the sessions' updatedAt with it."""
        records = [
            session(id="s", task=value, updatedAt=updated),
            session(id="i", updatedAt=updated, instances=[instance(branch=value)]),
            session(id="m", updatedAt=updated, chatHistory=[message(id="m1", content=value)]),
        ]
        if value is GONE:
            records = [None, records[1] | {"instances": []}, records[2] | {"chatHistory": []}]
        for kind, record in zip(KINDS, records, strict=True):
            self.home.write(f"/home/aki/{kind}", [record] if record else [])

    def database(self, value: object, updated: str | None = None) -> None:
        """The database as it is now."""
        if value is GONE:
            database(self.home, "delete from sessions where id = 's'")
            database(self.home, "delete from instances where session_id = 'i'")
            database(self.home, "delete from chat_messages where session_id = 'm'")
        else:
            database(self.home, "update sessions set task = ? where id = 's'", value)
            database(self.home, "update instances set branch = ? where session_id = 'i'", value)
            database(self.home, "update chat_messages set content = ? where session_id = 'm'", value)
        for id_ in ("s", "i", "m") if updated else ():
            database(self.home, "update sessions set updated_at = ? where id = ?", updated, id_)

    def migrate(self) -> dict:
        self.summary = migrate(self.home)
        return self.summary

    @property
    def values(self) -> set[object]:
        """What the database holds: one value, if the three are alike."""
        queries = (
            "select task from sessions where id = 's'",
            "select branch from instances where session_id = 'i'",
            "select content from chat_messages where session_id = 'm'",
        )
        return {row[0][0] if (row := self.home.rows(query)) else GONE for query in queries}

    @property
    def outcomes(self) -> set[str | None]:
        """What the books say of each: one outcome, if the three are alike."""
        found = set()
        for kind in KINDS:
            books = self.summary["files"].get(f"sessions/{workspace_hash(f'/home/aki/{kind}')}.json", {})
            places = [place for place in PLACES if books and books[kind][place]]
            assert len(places) < 2
            found.add(places[0] if places else None)
        return found

    @property
    def rejects(self) -> set[str]:
        return {reason for (reason,) in self.home.rows("select reason from migration_rejects")}


@pytest.fixture
def three(home: Home) -> Three:
    """The three as a first run left them, with the value `base` on both sides."""
    three = Three(home)
    three.json("base")
    three.migrate()
    return three


def test_same_and_same(three):
    """Nothing changed: unchanged."""
    three.migrate()

    assert (three.values, three.outcomes, three.rejects) == ({"base"}, {"unchanged"}, set())


def test_same_and_changed(three):
    """What only the database changed is kept, in this run and in every further one."""
    three.database("theirs")

    for _ in range(2):
        three.migrate()

        assert (three.values, three.outcomes, three.rejects) == ({"theirs"}, {"database_newer"}, set())


def test_same_and_gone(three):
    """What a person deleted stays deleted, and is kept whole in rejects, once."""
    three.database(GONE)

    for _ in range(2):
        summary = three.migrate()

        assert (three.values, three.outcomes) == ({GONE}, {"database_newer"})
        assert summary["rejects"] == {"deleted_in_database": 3}
        assert sorted(rejects(three.home, "deleted_in_database"), key=lambda row: row[1]) == [
            ("/0/instances/0", "instance", "1", instance(branch="base")),
            ("/0/chatHistory/0", "message", "m1", message(id="m1", content="base")),
            ("/0", "session", "s", session(id="s", task="base", updatedAt=NOW)),
        ]


def test_each_file_is_looked_through_once_for_what_is_put_aside(home, monkeypatch: pytest.MonkeyPatch):
    """Looked for from the beginning each time, a thousand sessions that a person deleted would take an hour."""
    files = [[session(id=f"{n}-{i}") | ({"later": 1} if i == 3 else {}) for i in range(20)] for n in range(2)]
    for n, sessions in enumerate(files):
        home.write(f"/{n}", sessions)
    migrate(home)
    for record in chain(*files):
        database(home, "delete from sessions where id = ?", record["id"])
    looked_through = []

    class Cutter(scan.Cutter):
        def __iter__(self):
            looked_through.append(self)
            return super().__iter__()

    monkeypatch.setattr(scan, "Cutter", Cutter)
    migrate(home)
    assert len(looked_through) == 2
    kept = {row[-1]["id"]: row[-1] for row in rejects(home, "deleted_in_database")}
    assert kept == {record["id"]: record for record in chain(*files)}


def test_changed_and_same(three):
    """What only JSON changed comes in, whether updatedAt was bumped or not (A6)."""
    for updated, value in ((NOW, "ours"), (LATER, "ours again")):
        three.json(value, updated)

        three.migrate()

        assert (three.values, three.outcomes, three.rejects) == ({value}, {"updated"}, set())


def test_an_older_file_restored(three):
    """A file from before the stored state changes nothing, and says so once a session."""
    three.json("older", BEFORE)

    summary = three.migrate()

    assert (three.values, three.outcomes, three.rejects) == ({"base"}, {"database_newer"}, set())
    assert summary["warnings"]["older_json"] == 3
    three.migrate()
    assert (three.values, three.outcomes, three.rejects) == ({"base"}, {"database_newer"}, set())


def test_changed_and_changed_to_the_same(three):
    """Both sides say the same: unchanged."""
    three.json("both")
    three.database("both")

    three.migrate()

    assert (three.values, three.outcomes, three.rejects) == ({"both"}, {"unchanged"}, set())


def test_a_conflict_that_json_wins(three):
    """The later updatedAt wins; the database's version of the session is kept whole, without a pointer."""
    three.json("ours", LATER)
    three.database("theirs")

    summary = three.migrate()

    assert (three.values, three.outcomes) == ({"ours"}, {"updated"})
    assert summary["rejects"] == {"conflict": 3}
    assert sorted(rejects(three.home, "conflict"), key=lambda row: row[2]) == [
        (None, "session", "i", session(id="i", updatedAt=NOW, instances=[instance(branch="theirs")])),
        (None, "session", "m", session(id="m", updatedAt=NOW, chatHistory=[message(id="m1", content="theirs")])),
        (None, "session", "s", session(id="s", task="theirs", updatedAt=NOW)),
    ]
    three.migrate()
    assert (three.values, three.outcomes, three.summary["rejects"]) == ({"ours"}, {"unchanged"}, {"conflict": 3})


@pytest.mark.parametrize("updated", [NOW, LATER], ids=["a tie", "later"])
def test_a_conflict_that_the_database_wins(three, updated):
    """On a tie it wins too; JSON's version of the session is kept whole, with its pointer."""
    three.json("ours")
    three.database("theirs", updated)

    for _ in range(2):
        summary = three.migrate()

        assert (three.values, three.outcomes) == ({"theirs"}, {"database_newer"})
        assert summary["rejects"] == {"conflict": 3}
    assert sorted(rejects(three.home, "conflict"), key=lambda row: row[2]) == [
        ("/0", "session", "i", session(id="i", updatedAt=NOW, instances=[instance(branch="ours")])),
        ("/0", "session", "m", session(id="m", updatedAt=NOW, chatHistory=[message(id="m1", content="ours")])),
        ("/0", "session", "s", session(id="s", task="ours", updatedAt=NOW)),
    ]


def test_changed_and_gone(three):
    """What JSON changed since a person deleted it comes back."""
    three.database(GONE)
    three.migrate()
    three.json("ours")

    summary = three.migrate()

    assert (three.values, three.outcomes, three.rejects) == ({"ours"}, {"inserted"}, set())
    assert summary["warnings"]["reinserted"] == 3


@pytest.mark.parametrize("value", ["base", "theirs", GONE])
def test_gone_from_json(three, value):
    """What JSON has no more is only in the database, as it is there."""
    three.json(GONE)
    if value != "base":
        three.database(value)

    three.migrate()

    assert (three.values, three.outcomes, three.rejects) == ({value}, {None}, set())


def test_gone_from_json_and_back(three):
    """The ledger remembers a session: deleted in between, it is still deleted when JSON comes back as it was."""
    three.json(GONE)
    database(three.home, "delete from sessions where id = 's'")
    three.migrate()
    three.json("base")

    three.migrate()

    assert three.home.rows("select id from sessions where id = 's'") == []
    assert [row[2] for row in rejects(three.home, "deleted_in_database")] == ["s"]


def test_only_held_copies(three):
    """A record that is held leaves the database as it is, whatever became of it there."""
    three.database("theirs")
    for kind, id_ in zip(KINDS, "sim", strict=True):
        lost = session(id=id_, status="lost", instances=[instance()], chatHistory=[message()])
        three.home.write(f"/home/aki/{kind}", [lost])

    summary = three.migrate()

    assert (three.values, three.outcomes) == ({"theirs"}, {"held"})
    assert summary["rejects"] == {"invalid_status": 3}


def test_only_unmapped_copies(three):
    """So does a record in a file that may not go in."""
    for kind in KINDS:
        (three.home.path / "sessions" / f"{workspace_hash(f'/home/aki/{kind}')}.json").unlink()
    three.database("theirs")
    records = [session(id=id_, instances=[instance()], chatHistory=[message()]) for id_ in ("s", "i", "m")]
    three.home.write("/home/aki/elsewhere", records, mapped=False)

    summary = three.migrate()

    assert three.values == {"theirs"}
    assert [outcomes(summary, kind) for kind in KINDS] == [{"held": 3}] * 3


def test_new_in_json(three):
    """What no run has seen yet and the database has not is inserted."""
    three.home.write(APP, [session(id="new", instances=[instance()], chatHistory=[message(id="m2")])])

    summary = three.migrate()

    assert [summary["balance"][kind]["inserted"] for kind in KINDS] == [1, 1, 1]
    assert summary["warnings"] == {}
    assert three.home.rows("select instance_count, message_count from sessions where id = 'new'") == [(1, 1)]


def test_new_on_both_sides(home):
    """Both sides have what no run has seen: equal is unchanged; different as a conflict, but NULL yields to a value."""
    home.write(APP, [session(id="s", model="opus", timeoutSeconds=None)])
    migrate(home)
    database(home, "delete from migration_ledger")

    database(home, "update sessions set model = null, timeout_seconds = 60")
    summary = migrate(home, reread=True)
    assert outcomes(summary, "sessions") == {"updated": 1}
    assert home.rows("select model, timeout_seconds from sessions") == [("opus", 60)]
    assert summary["rejects"] == {}

    database(home, "delete from migration_ledger")
    database(home, "update sessions set model = 'haiku'")
    summary = migrate(home, reread=True)
    assert outcomes(summary, "sessions") == {"database_newer": 1}
    assert home.rows("select model from sessions") == [("haiku",)]
    assert [row[3]["model"] for row in rejects(home, "conflict")] == ["opus"]


def test_new_instances_and_messages_on_both_sides(home):
    """The same, for what stands in a session that both sides know."""
    home.write(APP, [session(id="s", updatedAt=NOW)])
    migrate(home)
    instances = [instance(instanceId=1), instance(instanceId=2, output="ours"), instance(instanceId=3, output="ours")]
    messages = [message(id="equal"), message(id="differs", content="ours"), message(id="yields", instanceId=1)]
    home.write(APP, [session(id="s", updatedAt=NOW, instances=instances, chatHistory=messages)])
    write_instance(home, "s", instanceId=1)
    write_instance(home, "s", instanceId=2, output=None)
    write_instance(home, "s", instanceId=3, output="theirs")
    write_message(home, "s", id="equal")
    write_message(home, "s", id="differs", content="theirs")
    write_message(home, "s", id="yields")

    summary = migrate(home)

    assert outcomes(summary, "instances") == {"unchanged": 1, "updated": 1, "database_newer": 1}
    assert outcomes(summary, "messages") == {"unchanged": 1, "updated": 1, "database_newer": 1}
    assert home.rows("select output from instances order by instance_id") == [(None,), ("ours",), ("theirs",)]
    assert home.rows("select content from chat_messages where id = 'differs'") == [("theirs",)]
    assert home.rows("select id from chat_messages where instance_id_ref is not null") == [("yields",)]
    assert len(rejects(home, "conflict")) == 1


def test_only_in_the_database(home):
    """What only the database ever had is kept, and is in no book."""
    home.write(APP, [session(id="s")])
    migrate(home)
    write_instance(home, "s", instanceId=1)
    write_message(home, "s", id="theirs")
    database(
        home,
        "insert into sessions (id, workspace_path, type, task, status, created_at, updated_at)"
        " values ('theirs', '/home/aki/app', 'debate', 'theirs', 'running', '', '')",
    )

    for _ in range(2):
        summary = migrate(home)

        assert [outcomes(summary, kind) for kind in KINDS] == [{"unchanged": 1}, {}, {}]
        counts = home.rows("select id, instance_count, message_count from sessions order by id")
        assert counts == [("s", 1, 1), ("theirs", 0, 0)]


def write_instance(home: Home, session_id: str, **values: object) -> None:
    """The editor stores an instance."""
    row = instance(**values)
    columns = {re.sub("[A-Z]", lambda letter: f"_{letter[0].lower()}", key): value for key, value in row.items()}
    store(home, "instances", {"session_id": session_id} | columns)


def write_message(home: Home, session_id: str, **values: object) -> None:
    """The editor stores a message."""
    row = {"session_id": session_id} | message(**values)
    del row["instanceId"]
    store(home, "chat_messages", row)


def store(home: Home, table: str, row: dict[str, object]) -> None:
    marks = ", ".join("?" * len(row))
    database(home, f"insert into {table} ({', '.join(row)}) values ({marks})", *row.values())  # noqa: S608


# ── Column by column ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_each_side_changes_its_own_columns(home):
    """Changed on one side takes that side, in the session and in an instance: no conflict (the dual-write period)."""
    home.write(APP, [session(id="s", instances=[instance()])])
    migrate(home)
    database(home, "update sessions set status = 'failed', updated_at = ?", LATER)
    database(home, "update instances set status = 'failed', end_time = ?", LATER)
    home.write(APP, [session(id="s", task="ours", winnerId=1, instances=[instance(output="ours")])])

    summary = migrate(home)

    assert home.rows("select task, winner_id, status, updated_at from sessions") == [("ours", 1, "failed", LATER)]
    assert home.rows("select output, status, end_time from instances") == [("ours", "failed", LATER)]
    assert [outcomes(summary, kind) for kind in KINDS] == [{"updated": 1}, {"updated": 1}, {}]
    assert summary["rejects"] == {}
    assert [outcomes(migrate(home), kind) for kind in KINDS] == [{"database_newer": 1}, {"database_newer": 1}, {}]


def test_a_conflict_takes_the_other_columns_too(home):
    """The side that loses a column still gives those that it alone changed: counted as updated."""
    home.write(APP, [session(id="s", model=None)])
    migrate(home)
    database(home, "update sessions set task = 'theirs', updated_at = ?", LATER)
    home.write(APP, [session(id="s", task="ours", model="opus")])

    summary = migrate(home)

    assert home.rows("select task, model from sessions") == [("theirs", "opus")]
    assert outcomes(summary, "sessions") == {"updated": 1}
    assert summary["outcome"] == "held"
    assert [row[3]["task"] for row in rejects(home, "conflict")] == ["ours"]


def test_a_value_becomes_null(home):
    """NULL is a value like others where there is a base."""
    home.write(APP, [session(id="s", model="opus", totalDuration=1, instances=[instance(output="x", model="opus")])])
    migrate(home)
    database(home, "update sessions set model = null")
    database(home, "update instances set output = null")
    home.write(APP, [session(id="s", model="opus", totalDuration=None, instances=[instance(output="x", model=None)])])

    migrate(home)

    assert home.rows("select model, total_duration from sessions") == [(None, None)]
    assert home.rows("select output, model from instances") == [(None, None)]


@pytest.mark.parametrize("known", [True, False], ids=["with a base", "without"])
def test_two_spellings_of_one_value(home, known):
    """Times compare as instants (A5), runtimeMix as JSON; the stored spelling stays."""
    record = session(
        id="s",
        createdAt="2025-11-01T09:00:00Z",
        runtimeMix=["claude", "日本語/é"],
        instances=[instance(startTime="2025-11-01T09:00:00.5Z")],
        chatHistory=[message(id="m1", timestamp="2025-11-01T09:00:00+00:00")],
    )
    home.write(APP, [record])
    migrate(home)
    mix = '[ "claude", "\\u65e5本語\\/é" ]'
    database(home, "update sessions set created_at = '2025-11-01T18:00:00.000+09:00', runtime_mix = ?", mix)
    database(home, "update instances set start_time = '2025-11-01t09:00:00.500z'")
    database(home, "update chat_messages set timestamp = '2025-11-01 10:00:00+01:00'")
    if not known:
        database(home, "delete from migration_ledger")
    before = home.rows("select created_at, runtime_mix from sessions")

    summary = migrate(home, reread=True)

    assert [outcomes(summary, kind) for kind in KINDS] == [{"unchanged": 1}] * 3
    assert home.rows("select created_at, runtime_mix from sessions") == before
    home.write(APP, [record | {"createdAt": "2025-11-01T09:00:00.1Z", "runtimeMix": ["codex"]}])
    assert outcomes(migrate(home), "sessions") == {"updated": 1}
    assert home.rows("select created_at, runtime_mix from sessions") == [("2025-11-01T09:00:00.1Z", '["codex"]')]
    assert rejects(home, "conflict") == []


def test_odd_times(home):
    """A time that cannot be read, or that few libraries read, has a base like any other."""
    odd = [
        "soon",
        "0000-02-29T09:00:00Z",
        "2016-12-31T23:59:60Z",
        "2025-02-30T09:00:00Z",
        "9999-12-31T23:59:59-23:59",
        "",
    ]

    def records(moments: list[str]) -> list[dict]:
        return [
            session(
                id=f"s{number}",
                createdAt=moment,
                instances=[instance(startTime=moment)],
                chatHistory=[message(id=f"m{number}", timestamp=moment)],
            )
            for number, moment in enumerate(moments)
        ]

    home.write(APP, records(odd))
    migrate(home)
    home.write(APP, records([NOW] * len(odd)))

    summary = migrate(home)

    assert [outcomes(summary, kind) for kind in KINDS] == [{"updated": len(odd)}] * 3
    assert rejects(home, "conflict") == []


FULL = session(
    id="s", model="opus", preserveWorktrees=True, winnerId=1, runtimeMix=["claude"], totalDuration=2**40,
    totalFilesChanged=1, totalLinesAdded=1, totalLinesDeleted=1,
    instances=[instance(output="o", endTime=NOW, filesChanged=1, linesAdded=1, linesDeleted=1)],
    chatHistory=[message(id="m1", instanceId=1)],
)  # fmt: skip
OTHER = session(
    id="s", type="debate", task="other", status="failed", createdAt=LATER, updatedAt=LATER, completedAt=LATER,
    model="haiku", timeoutSeconds=1, preserveWorktrees=False, winnerId=2, runtimeMix=["codex"], totalDuration=2**41,
    totalFilesChanged=2, totalLinesAdded=2, totalLinesDeleted=2,
    instances=[
        instance(
            worktreePath="/o", branch="o", agentName="o", status="idle", tmuxSessionId="o", output="p", startTime=LATER,
            endTime=LATER, filesChanged=2, linesAdded=2, linesDeleted=2, runtime="codex", model="o", runtimeLabel="o",
        )
    ],
    chatHistory=[message(id="m1", role="system", content="o", timestamp=LATER, instanceId=None)],
)  # fmt: skip


def test_every_column_comes_in(home, tmp_path):
    """Where the database changed nothing, every value that JSON changes comes in, and none is a conflict."""
    home.write(APP, [FULL])
    migrate(home)
    home.write(APP, [OTHER])

    summary = migrate(home)

    assert summary["rejects"] == {}
    assert exported(home, tmp_path) == {"s": OTHER}


def test_every_column_stays(home, tmp_path):
    """Where only the database changed, every value of its own stays, and none is a conflict."""
    home.write(APP, [FULL])
    migrate(home)
    home.write(APP, [OTHER])
    migrate(home)
    theirs = exported(home, tmp_path)
    home.write(APP, [FULL])
    shutil.copy(home.database, tmp_path / "theirs.db")
    home.database.unlink()
    migrate(home)
    # as if the editor had written all of OTHER into a database whose ledger knows FULL
    with closing(sqlite3.connect(home.database)) as connection, connection:
        base = connection.execute("select base, document_sha256 from migration_ledger").fetchone()
    shutil.copy(tmp_path / "theirs.db", home.database)
    database(home, "update migration_ledger set base = ?, document_sha256 = ?", *base)

    summary = migrate(home)

    assert [outcomes(summary, kind) for kind in KINDS] == [{"database_newer": 1}] * 3
    assert exported(home, tmp_path) == theirs
    assert summary["rejects"] == {}


# ── What follows JSON ────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_session_comes_back_whole(home):
    """Deleted in the database and changed in JSON since: all of it is inserted again, one warning for all."""
    record = session(id="s", instances=[instance()], chatHistory=[message(id="m1"), message(id="m2")])
    home.write(APP, [record])
    migrate(home)
    database(home, "delete from sessions")
    record["chatHistory"][0]["content"] = "changed"
    home.write(APP, [record])

    summary = migrate(home)

    assert [outcomes(summary, kind) for kind in KINDS] == [{"inserted": 1}, {"inserted": 1}, {"inserted": 2}]
    assert summary["warnings"] == {"reinserted": 1}
    assert home.rows("select instance_count, message_count from sessions") == [(1, 2)]


def test_unknown_keys_alone_bring_a_session_back(home, tmp_path):
    """What the columns cannot say belongs to JSON's version; its order does not."""
    messages = [message(id="m1", unknown=1), message(id="m2", unknown=2)]
    home.write(APP, [session(id="s", chatHistory=messages)])
    migrate(home)
    database(home, "delete from sessions")
    home.write(APP, [session(id="s", chatHistory=messages[::-1])])
    migrate(home)
    assert home.rows("select id from sessions") == []

    home.write(APP, [session(id="s", chatHistory=messages, evaluation={"score": 1})])
    migrate(home)
    assert exported(home, tmp_path)["s"]["evaluation"] == {"score": 1}


def test_residue_follows_json(home, tmp_path):
    """Unknown keys are JSON's: they come, change and go with it, also where the database won."""
    messages = [message(id="m1", a=1), message(id="m2", a=1)]
    home.write(APP, [session(id="s", a=1, b=1, instances=[instance(a=1)], chatHistory=messages)])
    migrate(home)
    database(home, "update sessions set task = 'theirs', updated_at = ?", LATER)
    messages = [message(id="m1", a=2)]
    home.write(APP, [session(id="s", task="ours", a=2, c=1, instances=[instance()], chatHistory=messages)])

    migrate(home)

    assert home.rows("select entity, key, document from migration_residue order by entity, key") == [
        ("message", "m1", '{"a":2}'),
        ("message", "m2", '{"a":1}'),  # gone from JSON: as it was
        ("session", "", '{"a":2,"c":1}'),
    ]
    assert exported(home, tmp_path)["s"]["task"] == "theirs"


def test_residue_of_a_row_that_is_gone(home):
    """What was kept beside a message that somebody deleted is not kept beside a new one of its id."""
    home.write(APP, [session(id="s", updatedAt=NOW, chatHistory=[message(id="m1", unknown=1)])])
    migrate(home)
    database(home, "delete from chat_messages")
    home.write(APP, [session(id="s", updatedAt=NOW)])
    migrate(home)
    home.write(APP, [session(id="s", updatedAt=BEFORE, chatHistory=[message(id="m1")])])

    summary = migrate(home)

    assert summary["warnings"] == {"older_json": 1} and outcomes(summary, "messages") == {"inserted": 1}
    assert home.rows("select * from migration_residue") == []


def test_order_follows_json(home, tmp_path):
    """Lists stand in JSON's order, whatever the rows say; what only the database has comes last."""
    messages = [message(id="m2"), message(id="m3")]
    home.write(APP, [session(id="s", instances=[instance(instanceId=2)], chatHistory=messages)])
    migrate(home)
    write_message(home, "s", id="theirs")
    record = session(
        id="s",
        instances=[instance(instanceId=1), instance(instanceId=2)],
        chatHistory=[message(id="m1"), message(id="m3"), message(id="m2")],
    )
    home.write(APP, [record])

    migrate(home)

    back = exported(home, tmp_path)["s"]
    assert [each["instanceId"] for each in back["instances"]] == [1, 2]
    assert [each["id"] for each in back["chatHistory"]] == ["m1", "m3", "m2", "theirs"]
    database(home, "delete from chat_messages where id = 'theirs'")
    home.write(APP, [record | {"chatHistory": [message(id="m2"), message(id="m3"), message(id="m1")]}])
    migrate(home)
    assert home.rows("select key from migration_residue where entity = 'order'") == [("instances",)]
    assert [each["id"] for each in exported(home, tmp_path)["s"]["chatHistory"]] == ["m2", "m3", "m1"]


def test_a_message_and_its_instance(home):
    """A message refers to the row of its instance in this database; while there is none, residue has the number."""
    messages = [message(id="m1", instanceId=2)]
    home.write(APP, [session(id="s", instances=[instance()], chatHistory=messages)])
    migrate(home)
    assert home.rows("select instance_id_ref from chat_messages") == [(None,)]
    database(home, "update sqlite_sequence set seq = 40 where name = 'instances'")
    home.write(APP, [session(id="s", instances=[instance(), instance(instanceId=2)], chatHistory=messages)])

    summary = migrate(home)

    query = "select instance_id, instances.id from chat_messages join instances on instances.id = instance_id_ref"
    assert home.rows(query) == [(2, 41)]
    assert outcomes(summary, "messages") == {"updated": 1}
    assert home.rows("select * from migration_residue") == []
    database(home, "delete from instances where instance_id = 2")
    summary = migrate(home)
    assert outcomes(summary, "messages") == {"database_newer": 1}
    assert home.rows("select instance_id_ref from chat_messages") == [(None,)]


def test_a_message_of_an_instance_that_somebody_deleted(home, tmp_path):
    """What JSON says of a new one has no column in this database: residue keeps the number, beside unknown keys."""
    record = session(id="s", instances=[instance()], chatHistory=[message(id="m1", instanceId=1)])
    home.write(APP, [record])
    migrate(home)
    database(home, "delete from instances")
    record["chatHistory"] += [message(id="m2", instanceId=1), message(id="m3", instanceId=1, unknown=1)]
    home.write(APP, [record])
    migrate(home)
    home.write(APP, [record | {"task": "changed"}])

    migrate(home)

    assert home.rows("select count(instance_id_ref), count(*) from chat_messages") == [(0, 3)]
    kept = home.rows("select key, document from migration_residue order by key")
    assert kept == [("m2", '{"instanceId":1}'), ("m3", '{"unknown":1,"instanceId":1}')]
    # the database took m1's away itself: that is its change
    assert [each["instanceId"] for each in exported(home, tmp_path)["s"]["chatHistory"]] == [None, 1, 1]


def test_what_somebody_deleted_is_kept_as_json_has_it_now(home):
    """Whatever its id is made of; the version of before goes when JSON comes back to what the ledger knows."""
    home.write(APP, [session(id="日本", task="one"), session(id="s", chatHistory=[message(id="語", content="one")])])
    migrate(home)
    database(home, "delete from sessions where id = '日本'")
    database(home, "delete from chat_messages")
    for _ in range(2):
        summary = migrate(home)
        assert summary["rejects"] == {"deleted_in_database": 2}
        assert [row[:3] for row in rejects(home, "deleted_in_database")] == [
            ("/0", "session", "日本"),
            ("/1/chatHistory/0", "message", "語"),
        ]

    row = "select 'r', source_path, pointer, entity, key, reason, detail, instances, messages, '{}', null"
    columns = home.rows("select group_concat(name) from pragma_table_info('migration_rejects') where pk = 0")[0][0]
    former = f"insert into migration_rejects ({columns}) {row} from migration_rejects where entity = 'message'"
    database(home, former)  # as a restored database brings it
    assert migrate(home)["rejects"] == {"deleted_in_database": 2}
    assert "{}" not in [json.dumps(row[3]) for row in rejects(home, "deleted_in_database")]


def test_a_project_folder_moves(home):
    """workspace_path is a column like others: a session whose file moved belongs to the new path (A13)."""
    old = home.write(APP, [session(id="s")])
    migrate(home)
    old.unlink()
    home.write("/home/aki/moved", [session(id="s")])

    summary = migrate(home)

    assert home.rows("select workspace_path from sessions") == [("/home/aki/moved",)]
    assert outcomes(summary, "sessions") == {"updated": 1}


def test_a_project_folder_is_copied(home):
    """On a full tie the one that is stored stays; the one that goes on wins, and the other is superseded (A13)."""
    home.write(APP, [session(id="s", updatedAt=NOW)])
    migrate(home)
    home.write("/home/aki/a_copy", [session(id="s", updatedAt=NOW)])
    summary = migrate(home)
    assert home.rows("select workspace_path from sessions") == [(APP,)]
    assert outcomes(summary, "sessions") == {"unchanged": 1, "shadowed": 1}

    home.write("/home/aki/a_copy", [session(id="s", updatedAt=LATER, task="goes on")])
    summary = migrate(home)
    assert home.rows("select workspace_path, task from sessions") == [("/home/aki/a_copy", "goes on")]
    assert outcomes(summary, "sessions") == {"updated": 1, "shadowed": 1}
    assert summary["rejects"] == {"superseded": 1}


def test_a_new_message_in_an_older_file(home, tmp_path):
    """It still comes in, with all that belongs to it; nothing else changes, its unknown keys neither."""
    neighbour = session(id="t", chatHistory=[message(id="m9")])
    home.write(APP, [session(id="s", updatedAt=NOW, a=1, chatHistory=[message(id="m1", a=1)]), neighbour])
    migrate(home)
    messages = [message(id="m1", a=2), message(id="m9", content="new", a=3)]
    older = session(id="s", updatedAt=BEFORE, task="older", a=2, chatHistory=messages)
    home.write(APP, [older, neighbour])

    summary = migrate(home)

    assert outcomes(summary, "messages") == {"inserted": 1, "unchanged": 2}
    back = exported(home, tmp_path)["s"]
    assert (back["updatedAt"], back["a"]) == (NOW, 1)
    assert back["chatHistory"] == [message(id="m1", a=1), message(id="m9", content="new", a=3)]
    stored = content(home)
    assert outcomes(migrate(home), "messages") == {"unchanged": 3}
    assert content(home) == stored


# ── Message ids ──────────────────────────────────────────────────────────────────────────────────────────────────────


def ids(home: Home) -> dict[str, str]:
    """The content of each message by its stored id."""
    return dict(home.rows("select id, content from chat_messages"))


def test_an_id_once_stored_is_kept(home):
    """Also when an older session comes to claim it, and when its own session is edited."""
    home.write(APP, [session(id="s", createdAt=NOW, chatHistory=[message(id="m1", content="s")])])
    migrate(home)
    older = session(id="older", createdAt=BEFORE, chatHistory=[message(id="m1", content="older")])
    home.write(APP, [older, session(id="s", createdAt=NOW, chatHistory=[message(id="m1", content="s edited")])])

    migrate(home)

    assert ids(home) == {"m1": "s edited", "m1@older": "older"}
    before = content(home)
    home.write(APP, [session(id="s", createdAt=NOW, chatHistory=[message(id="m1", content="s edited")])])
    migrate(home)
    home.write(APP, [older, session(id="s", createdAt=NOW, chatHistory=[message(id="m1", content="s edited")])])
    migrate(home)
    assert content(home)["chat_messages"] == before["chat_messages"]


def test_an_id_that_is_taken_in_the_database(home):
    """While another message has the id that is wanted, `~` is appended; nobody's message is overwritten."""
    home.write(APP, [session(id="s", chatHistory=[])])
    migrate(home)
    write_message(home, "s", id="m1", content="s")
    write_message(home, "s", id="m1@t", content="odd")
    write_message(home, "s", id="m1@t~", content="odder")
    home.write(APP, [session(id="s"), session(id="t", chatHistory=[message(id="m1", content="t")])])

    migrate(home)

    assert ids(home) == {"m1": "s", "m1@t": "odd", "m1@t~": "odder", "m1@t~~": "t"}
    before = ids(home)
    assert outcomes(migrate(home), "messages") == {"unchanged": 1}
    assert ids(home) == before


def test_different_messages_under_one_id(home):
    """Each is known by its value: those that are stored keep their ids when one goes, comes or is deleted."""
    one, two, three = (message(id="m1", content=text) for text in ("one", "two", "three"))
    home.write(APP, [session(id="s", chatHistory=[one, two])])
    migrate(home)
    assert ids(home) == {"m1": "one", "m1@s#2": "two"}

    home.write(APP, [session(id="s", chatHistory=[three, two, one])])
    migrate(home)
    assert ids(home) == {"m1": "one", "m1@s#2": "two", "m1@s": "three"}

    home.write(APP, [session(id="s", chatHistory=[two])])
    migrate(home)
    assert outcomes(migrate(home), "messages") == {"unchanged": 1}
    assert ids(home) == {"m1": "one", "m1@s#2": "two", "m1@s": "three"}


def test_one_of_several_under_one_id_is_deleted(home):
    """The one that a person deleted is in rejects, not its namesake."""
    home.write(APP, [session(id="s", chatHistory=[message(id="m1", content="one"), message(id="m1", content="two")])])
    migrate(home)
    database(home, "delete from chat_messages where id = 'm1'")

    summary = migrate(home)

    assert ids(home) == {"m1@s#2": "two"}
    assert outcomes(summary, "messages") == {"database_newer": 1, "unchanged": 1}
    assert [row[3]["content"] for row in rejects(home, "deleted_in_database")] == ["one"]


DEEP = '{"a":' * 3000 + "1" + "}" * 3000


@pytest.mark.parametrize("raw", [DEEP, '"\\ud800"', "1E400"], ids=["deep", "surrogate", "number"])
def test_odd_residue(home, raw):
    """An unknown key may hold what no library reads; messages beside it are still known by their own ids."""
    records = [session(id=id_, chatHistory=[message(id="m1", content=id_, x="@")]) for id_ in ("s", "t")]
    text = samples.dumps(records).replace('"@"', raw)
    home.write(APP, text)
    migrate(home)
    home.write(APP, text.replace('"content": "t"', '"content": "edited"'))

    summary = migrate(home)

    assert ids(home) == {"m1": "s", "m1@t": "edited"}
    assert outcomes(summary, "messages") == {"unchanged": 1, "updated": 1}
    assert home.rows("select distinct length(document) > ? from migration_residue", len(raw)) == [(1,)]


# ── Backups, files, runs ─────────────────────────────────────────────────────────────────────────────────────────────


def test_a_restored_backup_brings_its_own_ledger(home, tmp_path):
    """JSON's changes that a restored database does not know come in again, and none is a conflict."""
    home.write(APP, [session(id="s", task="one")])
    migrate(home)
    shutil.copy(home.database, tmp_path / "backup.db")
    home.write(APP, [session(id="s", task="two"), session(id="t")])
    migrate(home)
    shutil.copy(tmp_path / "backup.db", home.database)

    summary = migrate(home)

    assert outcomes(summary, "sessions") == {"updated": 1, "inserted": 1}
    assert home.rows("select id, task from sessions order by id") == [("s", "two"), ("t", session()["task"])]
    assert summary["rejects"] == {}


def vanish(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file.unlink()


def become_unreadable(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file.unlink()
    file.mkdir()


def never_rest(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    copy = inventory._copy

    def restless(path: Path, to: Path) -> tuple:
        facts, settled, last = copy(path, to)
        return facts, settled and path != file, last

    os.utime(file)
    monkeypatch.setattr(inventory, "PAUSE", 0)
    monkeypatch.setattr(inventory, "_copy", restless)


@pytest.mark.parametrize("happens", [vanish, become_unreadable, never_rest])
def test_what_happens_to_a_file_with_rejects(home, monkeypatch, happens):
    """They stay while its text cannot be read, and are replaced when it can."""
    file = home.write(APP, [session(id="held", status="lost"), session(id="s", task="first"), session(id="s")])
    home.write("/home/aki/other", [session(id="other", status="lost")])
    migrate(home)
    before = content(home)["migration_rejects"]
    with monkeypatch.context() as patch:
        happens(file, patch)
        summary = migrate(home)

    assert [row for row in content(home)["migration_rejects"] if row in before] == before
    new = {vanish: {}, become_unreadable: {"unreadable": 1}, never_rest: {"unstable": 1}}[happens]
    assert summary["rejects"] == {"invalid_status": 2, "shadowed_duplicate": 1} | new
    assert home.rows("select task from sessions") == [("first",)]

    if file.is_dir():
        file.rmdir()
    home.write(APP, [session(id="held"), session(id="s", task="first")])
    assert migrate(home)["rejects"] == {"invalid_status": 1}


def test_conflicts_stay(home):
    """They are the only copy: no later run takes them away, nor writes them twice."""
    home.write(APP, [session(id="s", task="one")])
    migrate(home)
    for number in range(2):
        database(home, "update sessions set task = ?", f"theirs {number}")
        home.write(APP, [session(id="s", task=f"ours {number}", updatedAt=LATER)])
        migrate(home)
    home.write(APP, [session(id="t")])

    summary = migrate(home)

    assert summary["rejects"] == {"conflict": 2}
    assert [row[3]["task"] for row in rejects(home, "conflict")] == ["theirs 0", "ours 1"]


def conflict(home: Home) -> None:
    database(home, "update sessions set task = 'theirs'")
    home.write(APP, [session(id="s", task="ours")])


def hold(home: Home) -> None:
    home.write(APP, [session(id="s", task="ours"), session(id="t", status="lost")])


@pytest.mark.parametrize("trouble", [conflict, hold])
def test_strict(home, trouble):
    """Held records and conflicts fail the run before it publishes; the report shows what it would have done."""
    home.write(APP, [session(id="s")])
    migrate(home)
    trouble(home)
    before = content(home)

    run = home.run(strict=True)

    assert isinstance(run.failure, StrictRefused)
    assert summarize(run)["outcome"] == "failed"
    assert summarize(run)["balance"]["sessions"]["source"] == (2 if trouble is hold else 1)
    assert content(home) == before
    assert migrate(home)["outcome"] == "held"


def files(folder: Path) -> dict[str, tuple[bytes, int]]:
    return {
        str(path.relative_to(folder)): (path.read_bytes() if path.is_file() else b"", path.stat().st_mtime_ns)
        for path in [folder, *folder.rglob("*")]
    }


def every_outcome(home: Home) -> None:
    """A home with a database in which there is something of everything to do."""
    names = ["same", "ours", "theirs", "conflict", "deleted", "older", "gone", "held", "back"]
    home.write(APP, [session(id=name, updatedAt=NOW, chatHistory=[message(id=f"m-{name}")]) for name in names])
    migrate(home)
    database(home, "update sessions set task = 'theirs' where id = 'theirs'")
    database(home, "update sessions set task = 'theirs' where id = 'conflict'")
    for name in ("deleted", "back"):
        database(home, "delete from sessions where id = ?", name)
    database(home, "delete from chat_messages where id = 'm-theirs'")
    changes = {
        "ours": {"task": "ours"},
        "conflict": {"task": "ours"},
        "older": {"task": "older", "updatedAt": BEFORE},
        "held": {"status": "lost"},
        "back": {"task": "back"},
    }
    records = [
        session(id=name, updatedAt=NOW, chatHistory=[message(id=f"m-{name}")]) | changes.get(name, {})
        for name in names
        if name != "gone"
    ]
    home.write(APP, [*records, session(id="new"), session(id="same", task="shadow")])


def test_a_dry_run_tells_what_a_real_one_does(home):
    """The same numbers; and not a byte of the home changes, no side file appears (invariant 4)."""
    every_outcome(home)
    before = files(home.path)

    dry = summarize(home.run(dry_run=True))

    assert files(home.path) == before
    real = migrate(home)
    for part in ("outcome", "balance", "rejects", "warnings", "validation", "stats"):
        assert dry[part] == real[part], part
    assert outcomes(real, "sessions") == {
        "inserted": 2, "updated": 1, "unchanged": 1, "database_newer": 4, "shadowed": 1, "held": 1
    }  # fmt: skip
    assert real["rejects"] == {"conflict": 1, "deleted_in_database": 2, "invalid_status": 1, "shadowed_duplicate": 1}
    assert real["warnings"] == {"older_json": 1, "reinserted": 1}


EDITOR = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("update sessions set task = 'theirs'")
print("written", flush=True)
sys.stdin.read()
"""


def test_a_dry_run_beside_an_editor(home):
    """With the database open elsewhere a dry run sees the commits in its log, and changes none of its three files."""
    home.write(APP, [session(id="s")])
    migrate(home)
    # in a process of its own, because looking at the files below would drop the locks of this one
    with subprocess.Popen([sys.executable, "-c", EDITOR, home.database], stdin=PIPE, stdout=PIPE, text=True) as editor:
        assert editor.stdout.readline() == "written\n"
        before = files(home.path)
        assert {"sessions.db-wal", "sessions.db-shm"} < before.keys()

        summary = summarize(home.run(dry_run=True))

        assert outcomes(summary, "sessions") == {"database_newer": 1}
        assert files(home.path) == before


def test_again_is_nothing(home):
    """A second run changes no row, but adds its own to migration_runs."""
    every_outcome(home)
    migrate(home)
    migrate(home)
    before = content(home)
    runs = home.rows("select count(*) from migration_runs")

    summary = migrate(home)

    assert content(home) == before
    assert home.rows("select count(*) - 1 from migration_runs") == runs
    assert summary["stats"]["sessions_migrated"] == 0


def test_nothing_is_lost_on_the_way(home):
    """The search index, counts and references are right after all of that (invariant 1)."""
    every_outcome(home)

    summary = migrate(home)

    assert summary["validation"]["is_valid"]
    with closing(sqlite3.connect(home.database)) as connection:
        assert list(connection.execute("pragma foreign_key_check")) == []
        assert connection.execute("pragma integrity_check").fetchone() == ("ok",)
        stored = "(select count(*) from chat_messages where session_id = sessions.id)"
        wrong = connection.execute(f"select id from sessions where message_count <> {stored}")  # noqa: S608
        assert wrong.fetchall() == []
    assert home.rows("select count(*) from sessions_fts where sessions_fts match 'back'") == [(1,)]
    assert home.rows("select count(*) from sessions_fts where sessions_fts match 'theirs'") == [(2,)]


# ── Writing in earnest ───────────────────────────────────────────────────────────────────────────────────────────────


def up_to_publishing(home: Home) -> pipeline.Run:
    """A real run, in which nothing is left but to publish."""
    run = pipeline.start(ait42_home=str(home.path), dry_run=False, backup=False)
    for stage in pipeline.STAGES[:-1]:
        run.step(stage)
    if run.failure:
        raise run.failure
    return run


def told(effect: Effect) -> dict[str, object]:
    """What an effect says of the rows."""
    return {name: getattr(effect, name) for name in ("outcomes", "kept", "warnings", "conflicts")} | {
        "rejects": sorted(map(str, effect.rejects))
    }


def snapshot_of(run: pipeline.Run) -> list[tuple]:
    with closing(sqlite3.connect(run.get(Stored).path)) as connection:
        return connection.execute("select * from sessions order by id").fetchall()


@pytest.mark.parametrize("few", [0, publish.FEW_ROWS])
@pytest.mark.parametrize("bulk", [1, publish.BULK_ROWS])
def test_the_rehearsal_tells_what_will_be_done(home, monkeypatch: pytest.MonkeyPatch, few: int, bulk: int):
    """Whether it writes into the snapshot, or only plans, because few rows go in under one lock."""
    monkeypatch.setattr(publish, "FEW_ROWS", few)
    monkeypatch.setattr(publish, "BULK_ROWS", bulk)
    every_outcome(home)
    schema = home.rows("select type, name, sql from sqlite_master order by 1, 2")
    before = home.rows("select * from sessions order by id")
    run = up_to_publishing(home)
    rehearsed = run.get(Reconciled)
    assert rehearsed.effect.conflicts
    assert (snapshot_of(run) == before) is (few > 0)

    run.step(pipeline.publish_database)
    run.close()

    assert run.failure is None
    assert told(run.get(Reconciled).effect) == told(rehearsed.effect)
    assert run.get(Reconciled).balance == rehearsed.balance
    assert home.rows("select type, name, sql from sqlite_master order by 1, 2") == schema
    stored = "(select count(*) from chat_messages where session_id = sessions.id)"
    assert home.rows(f"select id from sessions where message_count <> {stored}") == []  # noqa: S608
    assert home.rows("select count(*) from migration_touched") == [(0,)]


def test_an_id_that_is_taken_meanwhile(home):
    """Another session's message has come under that id meanwhile; the next free one is not taken from its own."""
    home.write(APP, [session(id="s", chatHistory=[])])
    migrate(home)
    mine = [message(id="m", content="mine"), message(id="m~", content="mine too")]
    home.write(APP, [session(id="s", chatHistory=[]), session(id="t", chatHistory=mine)])
    run = up_to_publishing(home)
    write_message(home, "s", id="m", content="theirs")

    run.step(pipeline.publish_database)
    run.close()

    assert run.failure is None
    assert ids(home) == {"m": "theirs", "m~": "mine too", "m~~": "mine"}
    assert outcomes(migrate(home), "messages") == {"unchanged": 2}


def test_what_the_database_refuses_is_named(home):
    """A person has put a rule of their own on it: the run fails and says of which message, and nothing is written."""
    home.write(APP, [session(id="s", chatHistory=[message(id="m1")])])
    migrate(home)
    with closing(sqlite3.connect(home.database)) as connection:
        connection.execute(
            "create trigger mine before insert on chat_messages when new.id = 'm3' begin select raise(abort, 'no'); end"
        )
    home.write(APP, [session(id="s", chatHistory=[message(id=f"m{n}") for n in range(1, 5)])])
    before = content(home)

    run = home.run()

    assert isinstance(run.failure, DatabaseRefused)
    assert "message 'm3'" in str(run.failure)
    assert content(home) == before
