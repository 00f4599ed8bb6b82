"""Databases that the guide's own tool, or the editor, may have made: adopted whole, or refused and untouched."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from ait42nb import database, queries
from ait42nb.adopt import adopt_database
from ait42nb.errors import DatabaseLocked, DatabaseRefused
from ait42nb.samples import message, session
from ait42nb.summary import summarize

# Narrower than the kit's schema, with an index that follows the sessions' implicit rowid.
NARROW = """
pragma journal_mode = wal;
create table sessions (
  id text primary key not null, workspace_path text not null,
  type text not null check (type in ('competition', 'ensemble', 'debate')), task text not null,
  status text not null check (status in ('running', 'completed', 'failed', 'paused')),
  created_at text not null, updated_at text not null, completed_at text, model text,
  timeout_seconds integer check (timeout_seconds > 0), preserve_worktrees integer default 0,
  winner_id integer, runtime_mix text, total_duration integer, total_files_changed integer,
  total_lines_added integer, total_lines_deleted integer
);
create table instances (
  id integer primary key autoincrement, session_id text not null, instance_id integer not null,
  worktree_path text not null, branch text not null, agent_name text not null,
  status text not null check (status in ('running', 'completed', 'failed', 'timeout')),
  tmux_session_id text not null, output text, start_time text, end_time text, files_changed integer,
  lines_added integer, lines_deleted integer, runtime text, model text, runtime_label text,
  foreign key (session_id) references sessions (id) on delete cascade, unique (session_id, instance_id)
);
create table chat_messages (
  id text primary key not null, session_id text not null, instance_id_ref integer,
  role text not null check (role in ('user', 'assistant', 'system')),
  content text not null check (length(content) <= 10000), timestamp text not null,
  foreign key (session_id) references sessions (id) on delete cascade,
  foreign key (instance_id_ref) references instances (id) on delete set null
);
create index idx_messages on chat_messages (session_id);
create index sessions_by_status on sessions (status, created_at);
alter table sessions add column instance_count integer default 0;
alter table sessions add column message_count integer default 0;
create trigger count_up after insert on instances begin
  update sessions set instance_count = instance_count + 1 where id = new.session_id;
end;
create virtual table sessions_fts using fts5 (task, content = sessions, content_rowid=rowid);
create trigger fts_insert after insert on sessions begin
  insert into sessions_fts (rowid, task) values (new.rowid, new.task);
end;
create trigger touch after update on sessions when new.updated_at = old.updated_at begin
  update sessions set updated_at = '2099' where id = new.id;
end;
"""

# What the query module needs, and not a column more.
BARE = """
create table chat_messages (
  timestamp, content, role, session_id, id text primary key, instance_id_ref integer
) without rowid;
create table INSTANCES (
  Id integer primary key, session_id text, instance_id int, worktree_path varchar(255), branch text, agent_name text,
  status text, tmux_session_id text
);
create table sessions (
  workspace_path text, type text, task text, status text, created_at text, updated_at text, id text primary key
) without rowid;
create virtual table sessions_fts using fts5 (id unindexed, task, tokenize = 'trigram');
"""

# More than it needs, none of which is touched.
MORE = """
create table workspaces (hash text primary key, path text);
insert into workspaces values ('0123456789abcdef', '/w');
create table notes (session_id text references sessions (id) on delete cascade, note text);
create view running as select id, task from sessions where status = 'running';
create virtual table chat_messages_fts using fts5 (content, tokenize = 'trigram');
create virtual table found using fts5 (task, content='sessions');
create virtual table notes_index using fts5 (content, tokenize = 'trigram');
insert into notes_index values ('mine');
"""

SHAPES = {"narrow": NARROW, "bare": BARE, "rich": NARROW + MORE}

SESSIONS = [
    # (id, task): in the order of their rows, which is not that of their ids
    ("s2", "認証基盤を直す"),
    ("s1", "Fix the login"),
    ("s3", "nothing in it"),
]
INSTANCES = [(7, "s1", 1), (3, "s1", 2), (12, "s2", 0)]
MESSAGES = [("m9", "s1", 3), ("m1", "s1", 7), ("m5", "s2", None)]


def make(path: Path, shape: str, *more: str) -> Path:
    """A database of one of the shapes, as sqlx with migrations of its own leaves it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("pragma synchronous = off")
        connection.executescript(SHAPES[shape])
        connection.executescript(
            "create table _sqlx_migrations (version bigint primary key, description text not null, installed_on"
            " timestamp not null default current_timestamp, success boolean not null, checksum blob not null,"
            " execution_time bigint not null);"
            "insert into _sqlx_migrations values (20250113, 'initial schema', '2025-01-13 10:00:00', 1, x'00ff', 42)"
        )
        for session_id, task in SESSIONS:
            connection.execute(
                "insert into sessions (id, workspace_path, type, task, status, created_at, updated_at)"
                " values (?, '/w', 'debate', ?, 'running', '2025', '2025-11-01T09:00:00.123456789+00:00')",
                (session_id, task),
            )
        for row in INSTANCES:
            connection.execute(
                "insert into instances (id, session_id, instance_id, worktree_path, branch, agent_name, status,"
                " tmux_session_id) values (?, ?, ?, '/w/1', 'b', 'a', 'running', 't')",
                row,
            )
        for row in MESSAGES:
            connection.execute(
                "insert into chat_messages (id, session_id, instance_id_ref, role, content, timestamp)"
                " values (?, ?, ?, 'user', ?, '2025')",
                (*row, "こんにちは\0"),
            )
        for statement in more:
            connection.execute(statement)
    return path


def rows(path: Path, query: str) -> list[tuple]:
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(query).fetchall()


def read(path: Path, table: str) -> list[dict[str, object]]:
    """A table's rows in their order, without what is counted."""
    with closing(sqlite3.connect(path)) as connection:
        cursor = connection.execute(f"select * from {table} not indexed")  # noqa: S608, names of ours
        names = [name.lower() for name, *_ in cursor.description]
        counts = ("instance_count", "message_count")
        return [{k: v for k, v in zip(names, row, strict=True) if k not in counts} for row in cursor]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "home" / "sessions.db"


# Adopted


@pytest.mark.parametrize("shape", SHAPES)
def test_every_row_is_kept(path, shape):
    """Its id, its values and its place; what the former table had no column for is NULL."""
    make(path, shape)
    before = {table: read(path, table) for table in ("sessions", "instances", "chat_messages")}

    adopt_database(path)

    assert database.inspect_database(path).kind == "ours"
    for table, expected in before.items():
        stored = read(path, table)
        absent = dict.fromkeys(stored[0]) | ({"preserve_worktrees": 0} if table == "sessions" else {})
        assert stored == [absent | {k: v for k, v in row.items() if v is not None} for row in expected]


@pytest.mark.parametrize("shape", SHAPES)
def test_counts_search_and_health(path, shape):
    """What is derived is made anew, in the kit's way; the schema is the same as that of a new database."""
    make(path, shape)

    adopt_database(path)

    with closing(database.connect(path)) as connection:
        assert database.check_database_health(connection).details == ()
        assert database.validate(connection).is_valid
        found = queries.search_sessions(connection, "/w", "認証基盤")
        assert [(s.id, s.instance_count, s.message_count) for s in found] == [("s2", 1, 1)]
        connection.execute("delete from sessions where id = 's1'")
        assert connection.execute("select count(*) from chat_messages").fetchone() == (1,)
        connection.execute(
            "insert into instances select 99, 's2', 5, '', '', '', 'archived', '', '', '', '', 1, 1, 1, '', '', ''"
        )
    schema = "select type, name, tbl_name, sql from sqlite_master where name not like 'migration%' order by name"
    new = path.with_name("new.db")
    database.connect(new).close()
    assert set(rows(new, schema)) <= set(rows(path, schema))


def test_order_of_rows_is_kept_in_a_rowid_table(path):
    """Not that of the ids, nor that of an index."""
    make(path, "narrow")
    adopt_database(path)
    assert rows(path, "select id from sessions order by rowid") == [("s2",), ("s1",), ("s3",)]
    assert rows(path, "select id from chat_messages order by rowid") == [("m9",), ("m1",), ("m5",)]


def test_note_tells_what_went(path):
    """The foreign migrations and the former schema stand in a run of their own."""
    make(path, "narrow")

    adopt_database(path)

    ((kind, outcome, finished_at, summary),) = rows(
        path, "select kind, outcome, finished_at, summary from migration_runs"
    )
    former = json.loads(summary)["former"]
    assert (kind, outcome) == ("adoption", "ok") and finished_at
    assert former["migrations"] == [
        {
            "version": 20250113,
            "description": "initial schema",
            "installed_on": "2025-01-13 10:00:00",
            "success": 1,
            "checksum": "00ff",
            "execution_time": 42,
        }
    ]
    assert {"touch", "idx_messages", "sessions_fts"} <= {row["name"] for row in former["schema"]}
    assert rows(path, "select version from _sqlx_migrations order by 1") == [
        (m.version,) for m in database.migrations()
    ]


def test_nothing_is_adopted_twice(path):
    """A database that is the kit's already stays as it is."""
    make(path, "narrow")
    adopt_database(path)
    before = path.read_bytes()
    adopt_database(path)
    assert path.read_bytes() == before


def test_other_tables_and_views_stay(path):
    """Whatever refers to the rebuilt tables: nothing cascades."""
    make(path, "rich", "insert into notes values ('s1', 'mine')")

    adopt_database(path)

    assert rows(path, "select * from workspaces") == [("0123456789abcdef", "/w")]
    assert rows(path, "select * from notes") == [("s1", "mine")]
    assert rows(path, "select id from running order by id") == [("s1",), ("s2",), ("s3",)]
    assert rows(path, "select * from notes_index where notes_index match 'mine'") == [("mine",)]
    assert not rows(path, "select * from sqlite_master where name like 'found%' or name like 'chat_messages_fts%'")


@pytest.mark.parametrize(
    "damage",
    [
        "delete from sessions_fts_data",
        "update sessions_fts_data set block = x'00'",
        "insert into sessions_fts (sessions_fts, rowid, task) values ('delete', 1, 'never there')",
        "drop table sessions_fts_config",
    ],
)
@pytest.mark.parametrize("shape", ["narrow", "bare"])
def test_damaged_search_index_stops_nothing(path, shape, damage):
    """It is made anew from the sessions."""
    more = [] if shape == "narrow" else ["insert into sessions_fts select id, task from sessions"]
    if shape == "bare":
        damage = damage.replace("rowid, task) values ('delete', 1, 'never there')", "rank) values ('pgsz', 64)")
    make(path, shape, *more, damage)
    adopt_database(path)
    with closing(database.connect(path)) as connection:
        assert database.check_database_health(connection).integrity_ok
        assert [s.id for s in queries.search_sessions(connection, "/w", "認証基盤")] == ["s2"]


@pytest.mark.parametrize("options", ["tokenize = unheard_of", "content = '', contentless_delete = 2"])
def test_search_index_that_cannot_be_dropped(path, options):
    """Its tokenizer is missing (an older SQLite then fails), or its option is unknown (every one does)."""
    make(path, "bare")
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("pragma writable_schema = on")
        statement = f"create virtual table sessions_fts using fts5 (task, {options})"
        connection.execute("update sqlite_master set sql = ? where name = 'sessions_fts'", (statement,))
        connection.commit()

    adopt_database(path)

    with closing(database.connect(path)) as connection:
        assert database.check_database_health(connection).details == ()
        assert [s.id for s in queries.search_sessions(connection, "/w", "認証基盤")] == ["s2"]


# Refused

SPOILED = {
    "status": ("bare", "update sessions set status = 'lost' where id = 's2'", "CHECK constraint failed: status IN"),
    "flag": ("narrow", "update sessions set preserve_worktrees = 2", "CHECK constraint failed: preserve_worktrees IN"),
    "null": ("bare", "update sessions set task = null", "its task is NULL"),
    "no_id": ("narrow", "update instances set model = x'00' where id = 3", "its model is no text"),
    "blob": ("bare", "update chat_messages set content = x'00ff'", "its content is no text"),
    "number": ("bare", "update chat_messages set timestamp = 1735689600", "its timestamp is no text"),
    "bytes": ("bare", "update sessions set task = cast(x'e38182ff' as text)", "its task is no text"),
    "text": ("narrow", "update instances set files_changed = 'many'", "its files_changed is no whole number"),
    "fraction": ("narrow", "update sessions set total_duration = 0.5", "its total_duration is no whole number"),
    "twice": ("bare", "update instances set session_id = 's1', instance_id = 1", "UNIQUE constraint failed: instances"),
    "orphan": ("bare", "update instances set session_id = 'gone' where id = 12", "1 rows refer to sessions that"),
    "dangling": ("bare", "update chat_messages set instance_id_ref = 99", "3 rows refer to instances that"),
    "column": ("narrow", "alter table sessions add column mood text", "a column mood, which ait42nb does not know"),
    "generated": (
        "narrow",
        "alter table sessions add column words integer as (length(task)) virtual",
        "a column words, which ait42nb does not know",
    ),
    "no_column": ("narrow", "alter table instances drop column branch", "no column branch"),
    "trigger": (
        "rich",
        "create trigger remember after delete on sessions begin insert into Notes values (old.id, 'gone'); end",
        "its trigger remember uses a table notes, which ait42nb does not know",
    ),
    "table": ("bare", "create table recounts (n)", "table recounts already exists"),
    "view": ("bare", "create view search_docs as select 1", "view search_docs already exists"),
}


@pytest.mark.parametrize(("shape", "spoil", "problem"), SPOILED.values(), ids=SPOILED)
def test_refused_with_the_reason(path, shape, spoil, problem):
    """And every byte is as before, with nothing beside it."""
    make(path, shape, spoil)
    before = path.read_bytes()

    with pytest.raises(DatabaseRefused, match=problem) as refused:
        adopt_database(path)

    assert refused.value.where.startswith(str(path)) and refused.value.remedy
    assert path.read_bytes() == before and list(path.parent.iterdir()) == [path]


def test_refusal_names_the_row(path):
    """By its own id."""
    make(path, "bare", "update sessions set status = 'lost' where id = 's2'")
    with pytest.raises(DatabaseRefused) as refused:
        adopt_database(path)
    assert refused.value.where == f"{path}, sessions 's2'"


@pytest.mark.parametrize("shape", ["narrow", "bare"])
def test_stopped_half_way(path, shape, monkeypatch):
    """All or nothing (invariant 6)."""

    def stop(connection):
        assert connection.execute("select count(*) from chat_messages").fetchone() == (3,)
        raise KeyboardInterrupt

    monkeypatch.setattr(database, "fill_search", stop)
    make(path, shape)
    before = path.read_bytes()
    with pytest.raises(KeyboardInterrupt):
        adopt_database(path)
    assert path.read_bytes() == before and list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("shape", ["narrow", "bare"])
def test_others_keep_it_from_being_rebuilt(path, shape, monkeypatch):
    """Whether they are known (another process), or only their lock is (this process; no /proc)."""
    make(path, shape)
    monkeypatch.setattr(database, "holders", lambda path: ["process 42, ait42-editor"])
    with pytest.raises(DatabaseLocked, match="process 42, ait42-editor"):
        adopt_database(path)
    monkeypatch.setattr(database, "holders", lambda path: [])
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        # in WAL mode it is enough to be connected
        other.execute("select * from sessions").fetchone()
        if shape == "bare":
            other.execute("begin immediate")
        with pytest.raises(DatabaseLocked):
            adopt_database(path, timeout=0.1)
    adopt_database(path)


@pytest.mark.parametrize("kind", ["empty", "foreign"])
def test_what_is_no_session_database(path, kind):
    """Is not made one."""
    path.parent.mkdir()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("create table songs (title)" if kind == "foreign" else "pragma user_version = 1")
    before = path.read_bytes()
    with pytest.raises(DatabaseRefused):
        adopt_database(path)
    assert path.read_bytes() == before


# Through the pipeline


@pytest.mark.parametrize("shape", SHAPES)
def test_a_run_adopts_and_merges(home, shape):
    """What only the database has stays; what JSON has comes in; and the run after it finds nothing to do."""
    make(home.database, shape)
    home.write("/w", [session(id="s1", task="Fix the login", chatHistory=[message(id="m1")]), session(id="new")])

    first = summarize(home.run(backup=True))

    assert first["outcome"] == "held"  # of s1 both sides say something else, and nobody knows who was first
    assert {id_ for (id_,) in home.rows("select id from sessions")} == {"s1", "s2", "s3", "new"}
    assert home.rows("select kind from migration_runs order by kind") == [("adoption",), ("migrate",)]
    assert first["balance"]["sessions"]["inserted"] == 1
    second = summarize(home.run())["balance"]["sessions"]
    assert second["inserted"] == second["updated"] == 0


def test_a_dry_run_adopts_a_copy_alone(home):
    """With the numbers of the real run after it."""
    make(home.database, "narrow")
    home.write("/w", [session(id="s1"), session(id="new")])
    before = home.database.read_bytes()

    dry = summarize(home.run(dry_run=True))

    assert home.database.read_bytes() == before
    assert summarize(home.run())["balance"] == dry["balance"]


def test_a_run_does_not_adopt_what_others_have_open(home):
    """A rebuilt table under a live editor is a broken editor."""
    make(home.database, "narrow")
    home.write("/w", [session(id="new")])
    hold = (
        "import sqlite3, sys; c = sqlite3.connect(sys.argv[1]); c.execute('select * from sessions'); print(flush=True)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", f"{hold}; input()", str(home.database)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as editor:
        editor.stdout.readline()
        before = home.database.read_bytes()
        failure = home.run().failure
        assert home.database.read_bytes() == before
        editor.communicate(b"\n")
    assert isinstance(failure, DatabaseLocked)
    assert f"process {editor.pid}" in str(failure)
    assert home.run().failure is None
