"""Again is nothing: what neither store has changed is not read again, and all that may have changed is."""

from __future__ import annotations

import json
import os
import sqlite3
import time
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from snapshots import content

from ait42nb import database, queries
from ait42nb.backup import BackedUp
from ait42nb.inventory import Inventory
from ait42nb.samples import instance, message, session
from ait42nb.summary import summarize

APP, WEB, LIB = "/home/aki/app", "/home/aki/web", "/home/aki/ライブラリ"


@pytest.fixture
def three(home):
    """Three workspaces, migrated: a shadow, a held record, messages."""
    home.write(APP, [session(id="a", chatHistory=[message(id="m1")]), session(id="a"), session(id="a2")])
    home.write(WEB, [session(id="b", instances=[instance(instanceId=1)]), session(id="x", status="odd")])
    home.write(LIB, [session(id="c")])
    assert home.run().failure is None
    return home


def read_again(home, **parameters) -> list[str]:
    """What the next run reads: the workspaces."""
    run = home.run(**parameters)
    assert run.failure is None
    return sorted(home.mapping[file.workspace_hash] for file in run.get(Inventory).readable)


def write(home, statement: str, *values: object) -> None:
    with closing(sqlite3.connect(home.database, isolation_level=None)) as editor:
        editor.execute("pragma foreign_keys = on")
        editor.execute(statement, values)


def rewritten(path: Path, sessions: list[dict]) -> None:
    path.write_text(json.dumps(sessions), encoding="utf-8")
    an_hour_ago = time.time() - 3600
    os.utime(path, (an_hour_ago, an_hour_ago))


def test_again_reads_nothing_and_says_the_same(three):
    """The books, the rejects and the outcome are those of a run that reads all of it again."""
    before = content(three.database)
    skipped = three.run()
    assert [file.state for file in skipped.get(Inventory).files] == ["unchanged"] * 3
    read = three.run(reread=True)
    assert len(read.get(Inventory).readable) == 3

    for fixed in ("outcome", "balance", "rejects"):
        assert summarize(skipped)[fixed] == summarize(read)[fixed]
    assert summarize(skipped)["outcome"] == "held"
    assert content(three.database) == before


def test_a_dry_run_reads_as_little(three):
    """With the numbers of the real run after it."""
    before = three.database.read_bytes()
    dry = three.run(dry_run=True)
    assert not dry.get(Inventory).readable
    assert three.database.read_bytes() == before
    assert summarize(dry)["balance"] == summarize(three.run())["balance"]


def test_strict_fails_for_what_is_still_held(three):
    """Though it is not read again."""
    assert "1 files and records are held" in str(three.run(strict=True).failure)


@pytest.mark.parametrize(
    "change",
    [
        lambda path: rewritten(path, [session(id="c", task="other")]),
        lambda path: os.utime(path),
        lambda path: path.write_bytes(path.read_bytes() + b"\n"),
    ],
    ids=["content", "time", "size"],
)
def test_a_changed_file_alone_is_read(three, change):
    """By its size and its time."""
    (file,) = (path for path in (three.path / "sessions").iterdir() if three.mapping[path.stem] == LIB)
    change(file)
    assert read_again(three) == [LIB]


WRITES = {
    "session": "update sessions set task = 'other' where id = 'b'",
    "instance": "update instances set output = 'other' where session_id = 'b'",
    "new instance": "insert into instances (session_id, instance_id, worktree_path, branch, agent_name, status,"
    " tmux_session_id) values ('b', 2, '', '', '', 'idle', '')",
    "deleted instance": "delete from instances where session_id = 'b'",
    "message": "insert into chat_messages values ('m2', 'b', null, 'user', 'hello', 'now')",
    "deleted session": "delete from sessions where id = 'b'",
    "renamed session": "update sessions set id = 'c2' where id = 'c'",
    "moved message": "insert or replace into chat_messages values ('m1', 'b', null, 'user', 'hello', 'now')",
}


@pytest.mark.parametrize("statement", WRITES.values(), ids=WRITES.keys())
def test_a_session_that_somebody_wrote_to_is_read(three, statement):
    """Whatever was written, and by whatever way; and then no more, if the run has settled it."""
    write(three, statement)
    wanted = [APP, WEB] if "replace" in statement else [LIB] if "'c'" in statement else [WEB]
    first = three.run(dry_run=True)
    assert sorted(three.mapping[file.workspace_hash] for file in first.get(Inventory).readable) == wanted
    settled = summarize(three.run())
    if "deleted_in_database" in settled["rejects"]:
        assert read_again(three) == wanted[:1]  # what a person deleted is looked at each time
    else:
        assert read_again(three) == []
    assert summarize(three.run(reread=True))["balance"] == summarize(three.run())["balance"]


def test_a_message_of_the_editor(three):
    """Through the queries that it has."""
    with closing(database.connect(three.database)) as editor:
        (row,) = queries.get_sessions_by_workspace(editor, LIB)
        queries.insert_session(editor, replace(row, status="failed"))
    assert read_again(three) == [LIB]


def test_what_shares_a_session_is_read_too(three):
    """A copied project: the other file's version may win now, or lose."""
    three.write(WEB, [session(id="c", updatedAt="2031-01-01T00:00:00.000Z", task="moved")])
    assert read_again(three) == [WEB, LIB]
    assert three.rows("select task, workspace_path from sessions where id = 'c'") == [("moved", WEB)]
    assert read_again(three) == []

    three.write(WEB, [session(id="d")])  # no more: so what stood aside for it counts again
    assert read_again(three) == [WEB, LIB]
    assert three.rows("select reason, key from migration_rejects") == [("shadowed_duplicate", "a")]


def test_a_shared_id_however_it_is_written(three):
    """A key is the same key with escapes in it."""
    text = json.dumps([session(id="c")]).replace('"id": "c"', '"\\u0069d" : "\\u0063"')
    three.write(WEB, text)
    assert read_again(three) == [WEB, LIB]


def test_a_file_that_is_gone_and_comes_back(three):
    """What shared a session with it is looked at; and it is read when it is there again."""
    three.write(WEB, [session(id="c", updatedAt="2031-01-01T00:00:00.000Z")])
    three.run()
    (file,) = (path for path in (three.path / "sessions").iterdir() if three.mapping[path.stem] == WEB)
    away = file.rename(three.path / "away")
    assert read_again(three) == [LIB]
    assert read_again(three) == []
    away.rename(file)
    assert read_again(three) == [WEB, LIB]


def test_another_version_of_the_kit_reads_all(three, monkeypatch):
    """Its rules may be others."""
    monkeypatch.setattr("ait42nb.recall.__version__", "9.0")
    assert len(read_again(three)) == 3


def test_a_file_of_this_very_moment_is_read(home):
    """It may have changed once more within the tick of the clock in which it was read."""
    os.utime(home.write(APP, [session()]))
    home.run()
    assert read_again(home) == [APP]


def test_a_path_that_a_person_accepted_is_asked_for_each_time(home):
    """Only a proven path is known to be the same again (invariant 9)."""
    file = home.write(APP, [session()])
    home.mapping[file.stem] = "/elsewhere"
    (home.path / "workspace_mapping.json").write_text(json.dumps(home.mapping))
    home.run(accept_hash_mismatch=True)
    assert home.rows("select workspace_path from sessions") == [("/elsewhere",)]
    assert len(home.run(accept_hash_mismatch=True).get(Inventory).readable) == 1
    assert summarize(home.run())["outcome"] == "held"


def test_what_was_partly_merged_is_told_as_the_databases(three):
    """Both sides changed, in different columns: the next run finds the database's value, without reading."""
    write(three, "update sessions set model = 'theirs' where id = 'c'")
    three.write(LIB, [session(id="c", task="ours", updatedAt="2031-01-01T00:00:00.000Z")])
    assert summarize(three.run())["balance"]["sessions"]["updated"] == 1
    skipped = three.run()
    assert not skipped.get(Inventory).readable
    assert summarize(skipped)["balance"]["sessions"]["database_newer"] == 1
    assert summarize(skipped)["balance"] == summarize(three.run(reread=True))["balance"]


def test_a_backup_holds_the_files_that_were_not_read(three):
    """A run that reads one file archives all of them; one that changes nothing needs no other archive."""
    three.run(backup=True)
    three.write(LIB, [session(id="c", task="other")])
    assert len(three.run(backup=True).get(BackedUp).backup.manifest.files) == 3
    again = three.run(backup=True)
    assert not again.get(Inventory).readable
    assert not again.get(BackedUp).made


def test_a_broken_file_is_read_once(home):
    """Nobody has mended it; what was salvaged from it, and what was not, stays as it is."""
    broken = json.dumps([session(id="a"), session(id="b")])[:-30]
    home.write(APP, broken)
    home.write(WEB, "{}")
    home.write(LIB, b"\xff")
    home.run()
    before = content(home.database)
    assert read_again(home) == []
    assert summarize(home.run())["balance"] == summarize(home.run(reread=True))["balance"]
    assert summarize(home.run())["rejects"] == summarize(home.run(reread=True))["rejects"]
    assert content(home.database) == before
