"""The guide's queries: what is written comes back, and what is searched for is found."""

from __future__ import annotations

import contextlib
import sqlite3
from dataclasses import asdict, fields, replace
from pathlib import Path

import pytest

from ait42nb.database import connect
from ait42nb.errors import DatabaseLocked, DatabaseRefused
from ait42nb.queries import (
    ChatMessageRow,
    InstanceRow,
    SessionRow,
    get_chat_messages_by_session,
    get_instances_by_session,
    get_sessions_by_workspace,
    insert_chat_message,
    insert_chat_messages,
    insert_instance,
    insert_session,
    search_sessions,
)

SESSION = SessionRow(
    "s1", "/w", "competition", "Test task", "completed", "2025-01-15T10:00:00Z", "2025-01-15T11:00:00Z"
)
INSTANCE = InstanceRow(0, "s1", 1, "/w/.worktrees/1", "branch-1", "agent", "archived", "tmux-1")
MESSAGE = ChatMessageRow("m1", "s1", None, "user", "hello", "2025-01-15T10:00:00Z")

FULL_SESSION = replace(
    SESSION,
    workspace_path="/w2",
    type="debate",
    task="東京都の\0認証基盤 😀\x1b[1m",
    status="paused",
    created_at="yesterday",
    updated_at="today",
    completed_at="",
    model="opus",
    timeout_seconds=2**31 - 1,
    preserve_worktrees=1,
    winner_id=0,
    runtime_mix='["claude","codex"]',
    total_duration=2**63 - 1,
    total_files_changed=1,
    total_lines_added=2,
    total_lines_deleted=3,
)
FULL_INSTANCE = replace(
    INSTANCE,
    worktree_path="/elsewhere",
    branch="",
    agent_name="別",
    status="timeout",
    tmux_session_id="t2",
    output="x" * 100_000,
    start_time="a",
    end_time="b",
    files_changed=1,
    lines_added=2,
    lines_deleted=3,
    runtime="claude",
    model="m",
    runtime_label="l",
)
FULL_MESSAGE = ChatMessageRow("m1", "s1", 1, "assistant", "good\0bye", "later")


@pytest.fixture
def db(tmp_path: Path):
    with contextlib.closing(connect(tmp_path / "sessions.db")) as connection:
        yield connection


@pytest.fixture
def s1(db):
    insert_session(db, SESSION)
    return db


def messages(db: sqlite3.Connection, *contents: str, session_id: str = "s1") -> None:
    for number, content in enumerate(contents):
        insert_chat_message(db, replace(MESSAGE, id=f"{session_id}-{number}", session_id=session_id, content=content))


def search(db: sqlite3.Connection, query: str, workspace_path: str = "/w") -> list[str]:
    return [session.id for session in search_sessions(db, workspace_path, query)]


# Writing


@pytest.mark.parametrize(
    ("row_type", "table"), [(SessionRow, "sessions"), (InstanceRow, "instances"), (ChatMessageRow, "chat_messages")]
)
def test_rows_have_the_columns_names(db, row_type, table):
    """In the columns' order."""
    columns = [name for (name,) in db.execute("select name from pragma_table_info(?)", (table,))]
    assert [field.name for field in fields(row_type)] == columns


def test_single_session(db):
    """The guide's unit test: one session goes in, with no instances and no messages."""
    insert_session(db, SESSION)

    assert db.execute("select count(*) from sessions").fetchone() == (1,)
    assert get_sessions_by_workspace(db, "/w") == [SESSION]
    assert get_instances_by_session(db, "s1") == get_chat_messages_by_session(db, "s1") == []


def test_session_is_written_in_every_column(s1):
    """Not only the guide's three: an upsert changes them all, and back to NULL."""
    insert_session(s1, FULL_SESSION)
    assert get_sessions_by_workspace(s1, "/w2") == [FULL_SESSION]
    assert get_sessions_by_workspace(s1, "/w") == []
    insert_session(s1, SESSION)
    assert get_sessions_by_workspace(s1, "/w") == [SESSION]


def test_instance_is_written_in_every_column(s1):
    """The row keeps its id, whatever the dataclass says: messages refer to it."""
    insert_instance(s1, INSTANCE)
    for row in (FULL_INSTANCE, INSTANCE):
        insert_instance(s1, replace(row, id=77))
        assert get_instances_by_session(s1, "s1") == [replace(row, id=1)]


def test_message_is_written_in_every_column(s1):
    """The guide leaves a changed message as it was."""
    insert_instance(s1, INSTANCE)
    insert_chat_message(s1, MESSAGE)
    insert_chat_message(s1, FULL_MESSAGE)
    assert get_chat_messages_by_session(s1, "s1") == [FULL_MESSAGE]


@pytest.mark.parametrize("field", [field.name for field in fields(SessionRow)[1:-2]])
def test_each_session_column_alone_is_a_difference(s1, field):
    """No column is missing from the comparison that skips equal rows."""
    insert_session(s1, replace(SESSION, **{field: getattr(FULL_SESSION, field)}))
    assert [asdict(row) for row in get_sessions_by_workspace(s1, "/w") + get_sessions_by_workspace(s1, "/w2")] == [
        asdict(SESSION) | {field: getattr(FULL_SESSION, field)}
    ]


@pytest.mark.parametrize("field", [field.name for field in fields(InstanceRow)[3:]])
def test_each_instance_column_alone_is_a_difference(s1, field):
    """No column is missing from the comparison that skips equal rows."""
    insert_instance(s1, INSTANCE)
    insert_instance(s1, replace(INSTANCE, **{field: getattr(FULL_INSTANCE, field)}))
    assert getattr(get_instances_by_session(s1, "s1")[0], field) == getattr(FULL_INSTANCE, field)


@pytest.mark.parametrize("field", [field.name for field in fields(ChatMessageRow)[2:]])
def test_each_message_column_alone_is_a_difference(s1, field):
    """No column is missing from the comparisons, nor from what is written, of many at once."""
    insert_instance(s1, INSTANCE)
    insert_chat_message(s1, MESSAGE)
    changed = replace(MESSAGE, **{field: getattr(FULL_MESSAGE, field)})
    insert_chat_messages(s1, [changed])
    assert get_chat_messages_by_session(s1, "s1") == [changed]


def test_many_messages_at_once(s1):
    """New ones, changed ones of every kind, equal ones, and one that another session has, which is left out."""
    insert_session(s1, replace(SESSION, id="s2"))
    insert_instance(s1, INSTANCE)
    theirs = replace(MESSAGE, id="theirs", session_id="s2")
    stored = {name: replace(MESSAGE, id=name) for name in ("as it was", "reworded", "moved", "given away", "untold")}
    for message in (*stored.values(), theirs):
        insert_chat_message(s1, message)
    changes = {
        "reworded": {"role": "assistant", "content": "good\0bye"},
        "moved": {"content": "later", "timestamp": "2025-01-15T10:00:01Z"},
        "given away": {"instance_id_ref": 1},
        "new": {"timestamp": "2025-01-15T10:00:02Z"},
    }
    told = {name: replace(MESSAGE, id=name, **changes.get(name, {})) for name in ("as it was", *changes)}

    insert_chat_messages(s1, [*told.values(), replace(theirs, session_id="s1", content="ours")])

    assert {message.id: message for message in get_chat_messages_by_session(s1, "s1")} == stored | told
    assert get_chat_messages_by_session(s1, "s2") == [theirs]
    before = s1.total_changes
    insert_chat_messages(s1, [*told.values()])
    assert s1.total_changes == before


def test_of_messages_whose_text_alone_changes_no_index_is_written(s1):
    """SQLite writes those of all columns that a statement names: a large merge would take four times as long."""
    messages(s1, *map(str, range(100)))
    changed = [replace(message, content="✎") for message in get_chat_messages_by_session(s1, "s1")]
    told: list[str] = []
    s1.set_trace_callback(told.append)
    insert_chat_messages(s1, changed)
    s1.set_trace_callback(None)
    assert {statement for statement in told if "insert into chat_messages" in statement} == set()
    assert get_chat_messages_by_session(s1, "s1") == changed


def test_equal_rows_write_nothing(s1):
    """No row, no trigger, no id."""
    rows = (FULL_SESSION, FULL_INSTANCE, MESSAGE)
    inserts = (insert_session, insert_instance, insert_chat_message)
    for insert, row in zip(inserts, rows, strict=True):
        insert(s1, row)
    before = s1.total_changes
    for _ in range(3):
        for insert, row in zip(inserts, rows, strict=True):
            insert(s1, row)
    assert s1.total_changes == before
    insert_instance(s1, replace(INSTANCE, instance_id=2))
    assert [row.id for row in get_instances_by_session(s1, "s1")] == [1, 2]


def test_counts_are_the_databases_own(s1):
    """What the dataclass says is not written."""
    insert_session(s1, replace(FULL_SESSION, workspace_path="/w", instance_count=50, message_count=60))
    insert_instance(s1, INSTANCE)
    messages(s1, "one", "two")
    (session,) = get_sessions_by_workspace(s1, "/w")
    assert (session.instance_count, session.message_count) == (1, 2)


def test_upserting_a_session_keeps_what_hangs_on_it(s1):
    """OR REPLACE would delete its instances and messages."""
    insert_instance(s1, INSTANCE)
    messages(s1, "one")
    insert_session(s1, replace(SESSION, status="failed"))
    assert len(get_instances_by_session(s1, "s1")) == len(get_chat_messages_by_session(s1, "s1")) == 1


def test_another_sessions_message_is_never_overwritten(s1):
    """Ids are unique only by luck (A4): the error names the owner and proposes an id."""
    insert_session(s1, replace(SESSION, id="s2"))
    insert_chat_message(s1, MESSAGE)
    with pytest.raises(DatabaseRefused, match=r"message 'm1': session 's1' has .* Store it as 'm1@s2'"):
        insert_chat_message(s1, replace(MESSAGE, session_id="s2", content="other"))
    assert get_chat_messages_by_session(s1, "s1") == [MESSAGE]
    assert get_chat_messages_by_session(s1, "s2") == []


@pytest.mark.parametrize(
    ("insert", "row", "problem"),
    [
        pytest.param(insert_session, replace(SESSION, status="lost"), "session 's1': .*CHECK", id="status"),
        pytest.param(insert_session, replace(SESSION, task=None), "NOT NULL", id="null"),
        pytest.param(insert_session, replace(SESSION, task="\ud800"), "half a surrogate pair", id="surrogate"),
        pytest.param(insert_session, replace(SESSION, total_duration=2**63), "64 bits", id="number"),
        pytest.param(insert_instance, INSTANCE, "instance 1 of 's1': .*FOREIGN KEY", id="no_session"),
        pytest.param(insert_chat_message, MESSAGE, "message 'm1': .*FOREIGN KEY", id="no_session_either"),
    ],
)
def test_row_that_cannot_be_stored(db, tmp_path, insert, row, problem):
    """One sentence with the file and the row, and nothing written."""
    with pytest.raises(DatabaseRefused, match=problem) as refused:
        insert(db, row)
    assert refused.value.where.startswith(str(tmp_path / "sessions.db"))
    assert refused.value.remedy == "Correct the record"
    for table in ("sessions", "instances", "chat_messages"):
        assert db.execute("select count(*) from x".replace("x", table)).fetchone() == (0,)


def test_locked_database(db, tmp_path):
    """No driver's traceback, here either."""
    with contextlib.closing(connect(tmp_path / "sessions.db", timeout=0)) as second:
        db.execute("begin immediate")
        with pytest.raises(DatabaseLocked):
            insert_session(second, SESSION)


# Reading


def test_sessions_come_newest_first(db):
    """By the text of created_at, as the guide orders them; those of one time as they were stored."""
    for session_id, created_at in (("a", "2025-01"), ("b", "2025-03"), ("c", "2025-02"), ("d", "2025-03")):
        insert_session(db, replace(SESSION, id=session_id, created_at=created_at))
    insert_session(db, replace(SESSION, id="e", workspace_path="/w/"))
    assert [session.id for session in get_sessions_by_workspace(db, "/w")] == ["b", "d", "c", "a"]


def test_messages_of_one_time_keep_their_order(s1):
    """Not the order of their ids."""
    for message_id, timestamp in (("z", "1"), ("b", "2"), ("y", "1"), ("a", "1")):
        insert_chat_message(s1, replace(MESSAGE, id=message_id, timestamp=timestamp))
    assert [message.id for message in get_chat_messages_by_session(s1, "s1")] == ["z", "y", "a", "b"]


def test_instances_come_by_number(s1):
    """Of this session only."""
    insert_session(s1, replace(SESSION, id="s2"))
    for session_id, number in (("s1", 2), ("s2", 1), ("s1", 0)):
        insert_instance(s1, replace(INSTANCE, session_id=session_id, instance_id=number))
    assert [row.instance_id for row in get_instances_by_session(s1, "s1")] == [0, 2]


def test_reading_with_other_row_factories(s1):
    """Whatever the caller has set on the connection."""
    s1.row_factory = sqlite3.Row
    assert get_sessions_by_workspace(s1, "/w") == [SESSION]


# Searching


@pytest.fixture
def library(db):
    """Sessions of two workspaces, with words in tasks and in messages."""
    insert_session(
        db, replace(SESSION, id="task", task="Fix the Login page, 東京都の認証基盤を検索する", created_at="1")
    )
    insert_session(db, replace(SESSION, id="chat", task="Refactor", created_at="2"))
    insert_session(db, replace(SESSION, id="both", task="login ÉCOLE", created_at="3"))
    insert_session(db, replace(SESSION, id="away", task="login 認証", workspace_path="/other"))
    messages(db, "Please LOGIN here", "別の話 日本語です 😀", '50% of col:value "quoted" it\'s', session_id="chat")
    messages(db, "page one", "a\0hidden", session_id="both")
    return db


@pytest.mark.parametrize(
    ("query", "sessions"),
    [
        ("login", ["both", "chat", "task"]),
        ("LOGIN", ["both", "chat", "task"]),
        ("ogi", ["both", "chat", "task"]),
        ("認証", ["task"]),
        ("証", ["task"]),
        ("の認証基", ["task"]),
        ("本語で", ["chat"]),
        ("話", ["chat"]),
        ("😀", ["chat"]),
        ("x", ["task"]),
        ("école", ["both"]),
        ("50%", ["chat"]),
        ("%", ["chat"]),
        ("_", []),
        ('"quoted"', ["chat"]),
        ('"', ["chat"]),
        ("it's", ["chat"]),
        ("'", ["chat"]),
        ("col:value", ["chat"]),
        ("hidden", ["both"]),
        ("login page", ["both", "task"]),
        ("login　page", ["both", "task"]),
        ("refactor please 語", ["chat"]),
        ("login absent", []),
        ("login OR absent", []),
        ("login NOT page", []),
        ("log*", []),
        ("^fix", []),
        ("C++ (AND - NEAR(", []),
    ],
)
def test_search_finds_texts_in_tasks_and_messages(library, query, sessions):
    """Inside words, in any script, of any length; every word somewhere in the session, no sign with a meaning."""
    assert search(library, query) == sessions


@pytest.mark.parametrize("query", ["", " ", "\t\n", "　", "\0", "\ud800", "login \udfff"])
def test_search_for_nothing_finds_nothing(library, query):
    """Blank queries, and text that no file can hold."""
    assert search(library, query) == []


@pytest.mark.parametrize("query", ["login\0", "\0login", "lo\0gin"])
def test_nul_parts_words(library, query):
    """The index would take it for the end of the query."""
    assert search(library, query) == ["both", "chat", "task"]


def test_search_stays_in_its_workspace(library):
    """Sessions of other folders do not show."""
    assert search(library, "login", "/other") == ["away"]
    assert search(library, "login", "/other/") == search(library, "login", "/\ud800") == []


def test_search_behind_a_nul_in_a_task(db):
    """The index ends at it, the scan does not."""
    insert_session(db, replace(SESSION, task="before\0behind"))
    assert search(db, "before") == search(db, "behind") == search(db, "be") == ["s1"]


def test_search_returns_whole_rows(library):
    """The same as the listing gives."""
    rows = {session.id: session for session in get_sessions_by_workspace(library, "/w")}
    assert search_sessions(library, "/w", "login") == [rows["both"], rows["chat"], rows["task"]]
    assert rows["chat"].message_count == 3


def test_search_follows_changes(library):
    """What has been written is found, what was overwritten is not."""
    insert_session(library, replace(SESSION, id="chat", task="Rename", created_at="2"))
    assert search(library, "refactor") == []
    assert search(library, "rename") == ["chat"]


def test_search_for_a_very_long_text(library):
    """A pasted page is only a long word, or many."""
    assert search(library, "login" * 20_000) == []
    assert search(library, "login " * 2_000) == ["both", "chat", "task"]
    assert search(library, "(" * 5_000) == search(library, '"' * 5_000) == []
