"""sessions.db: its schema, opening it in every state, its migrations, its health."""

from __future__ import annotations

import contextlib
import hashlib
import os
import random
import re
import shutil
import sqlite3
import stat
import subprocess
import sys
from dataclasses import replace
from importlib.resources import files
from pathlib import Path

import pytest

from ait42nb import database, engine
from ait42nb.database import (
    ValidationReport,
    apply_migrations,
    check_database_health,
    check_migrations,
    connect,
    create,
    fill_counts,
    fill_search,
    get_database_path,
    holders,
    inspect_database,
    migrations,
    open_existing,
    open_readonly,
    open_staging,
    side_files,
    transaction,
    validate,
)
from ait42nb.errors import DatabaseLocked, DatabaseRefused, HomeError

MIGRATIONS = Path(str(files("ait42nb"))) / "migrations"

COLUMNS = {
    "sessions": "id workspace_path type task status created_at updated_at completed_at model timeout_seconds"
    " preserve_worktrees winner_id runtime_mix total_duration total_files_changed total_lines_added"
    " total_lines_deleted instance_count message_count",
    "instances": "id session_id instance_id worktree_path branch agent_name status tmux_session_id output start_time"
    " end_time files_changed lines_added lines_deleted runtime model runtime_label",
    "chat_messages": "id session_id instance_id_ref role content timestamp",
    "migration_runs": "run_id kind started_at finished_at kit_version outcome summary",
    "migration_files": "source_path workspace_hash workspace_path state size_bytes mtime_ns sha256 sessions instances"
    " messages balance run_id detail",
    "migration_ledger": "session_id source_path pointer document_sha256 base run_id",
    "migration_rejects": "reject_id run_id source_path pointer entity key reason detail instances messages document"
    " document_bytes",
    "migration_residue": "entity session_id key document",
}


def cases(**named: tuple):
    """Parameters with names that a failing test is known by."""
    return [pytest.param(*values, id=name) for name, values in named.items()]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "home" / "sessions.db"


@pytest.fixture
def db(path: Path):
    with contextlib.closing(connect(path)) as connection:
        yield connection


def add_session(connection: sqlite3.Connection, session_id: str, task: str = "Fix the login", how: str = "") -> None:
    insert = (
        "insert into sessions (id, workspace_path, type, task, status, created_at, updated_at)"
        " values (?, '/w', 'debate', ?, 'running', '2025', '2025')"
    )
    connection.execute(insert.replace("insert", f"insert {how}"), (session_id, task))


def add_instance(connection: sqlite3.Connection, session_id: str, number: int, how: str = "") -> None:
    insert = (
        "insert into instances (session_id, instance_id, worktree_path, branch, agent_name, status, tmux_session_id)"
        " values (?, ?, '/w/1', 'b', 'a', 'archived', 't')"
    )
    connection.execute(insert.replace("insert", f"insert {how}"), (session_id, number))


def add_message(
    connection: sqlite3.Connection, message_id: str, session_id: str, how: str = "", then: str = ""
) -> None:
    insert = (
        "insert into chat_messages (id, session_id, role, content, timestamp) values (?, ?, 'user', 'hello', '2025')"
    )
    connection.execute(f"{insert.replace('insert', f'insert {how}')} {then}", (message_id, session_id))


def counts(connection: sqlite3.Connection) -> list[tuple]:
    return connection.execute("select id, instance_count, message_count from sessions order by id").fetchall()


def counted(connection: sqlite3.Connection) -> list[tuple]:
    return connection.execute(
        "select id, (select count(*) from instances where session_id = s.id),"
        " (select count(*) from chat_messages where session_id = s.id) from sessions s order by id"
    ).fetchall()


def found(connection: sqlite3.Connection, text: str) -> list[str]:
    rows = connection.execute(
        "select session_id from sessions_fts join search_docs on doc = sessions_fts.rowid"
        " where sessions_fts match ? order by 1",
        (f'"{text}"',),
    )
    return [session_id for (session_id,) in rows]


def snapshot(folder: Path) -> dict[str, tuple]:
    """Every file below a folder, read by another process: reading here would drop SQLite's locks."""
    listed = subprocess.run(
        "find . -type f -printf '%p %T@ %m ' -exec sha256sum {} ';'", shell=True, cwd=folder, capture_output=True
    )
    return {line.split()[0]: line for line in listed.stdout.decode().splitlines()}


@contextlib.contextmanager
def another_process(script: str, path: Path, *, killed: bool = False):
    """Runs a script that has the database open as `c` when this begins, and closes it (or is killed) at the end."""
    script = f"""
import os, sqlite3, sys
c = sqlite3.connect(sys.argv[1], isolation_level=None)
{script}
print("ready", flush=True)
sys.stdin.readline()
{"os.kill(os.getpid(), 9)" if killed else "c.close()"}
"""
    process = subprocess.Popen(
        [sys.executable, "-c", script, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "ready\n"
    try:
        yield process
    finally:
        process.communicate("\n")


def guide_database(path: Path, extra: str = "") -> None:
    """As the guide's own tool would leave it, run by sqlx with its own migration."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with contextlib.closing(sqlite3.connect(path)) as connection:
        for table in ("sessions", "instances", "chat_messages"):
            columns = ", ".join(COLUMNS[table].split())
            connection.execute(f"create table {table} ({columns}{extra if table == 'sessions' else ''})")
        connection.execute("create virtual table sessions_fts using fts5 (task)")
        connection.execute(engine.sql("database/create_migrations_table"))
        connection.execute("insert into _sqlx_migrations values (1, 'initial', '2025', 1, x'00', 1)")
        connection.execute("insert into sessions (id, task) values ('s1', 'kept')")
        connection.commit()


def foreign_database(path: Path) -> None:
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("create table songs (title)")


# The schema


@pytest.mark.parametrize("table", COLUMNS)
def test_tables_have_the_designs_columns(db, table):
    """Names and order are what the guide's query module and other stages rely on."""
    assert [row[1] for row in db.execute(f"pragma table_info({table})")] == COLUMNS[table].split()


@pytest.mark.parametrize("table", [*COLUMNS, "recounts", "search_docs"])
def test_every_column_is_explained(db, table):
    """`.schema` shows a comment for each column."""
    (text,) = db.execute("select sql from sqlite_master where name = ?", (table,)).fetchone()
    columns = [row[1] for row in db.execute(f"pragma table_info({table})")]
    assert columns == re.findall(r"^  (\w+) +(?:TEXT|INTEGER|BLOB)\b.* -- .+$", text, re.M)


def test_migrations_are_an_sqlx_folder():
    """Unique integer versions, descriptions, LF line ends, nothing else in the folder."""
    names = sorted(file.name for file in MIGRATIONS.iterdir())
    assert names == [migration.name for migration in migrations()]
    assert all(re.fullmatch(r"\d{14}_[a-z_]+\.sql", name) for name in names)
    assert len({name[:14] for name in names}) == len(names) > 0
    assert not any(b"\r" in file.read_bytes() for file in MIGRATIONS.iterdir())


def test_migrations_are_recorded_as_sqlx_does(db):
    """Version before the first underscore, words after it, SHA-384 of the bytes, success, nanoseconds."""
    rows = db.execute("select version, description, success, checksum, execution_time > 0 from _sqlx_migrations")
    for row, file in zip(rows, sorted(MIGRATIONS.iterdir()), strict=True):
        version, description = file.name.removesuffix(".sql").split("_", 1)
        checksum = hashlib.sha384(file.read_bytes()).digest()
        assert row == (int(version), description.replace("_", " "), 1, checksum, 1)


def test_the_editor_can_run_the_same_files(tmp_path, path):
    """sqlx executes a file as a whole: the result is the same schema."""
    connect(path).close()
    with (
        contextlib.closing(sqlite3.connect(tmp_path / "sqlx.db")) as theirs,
        contextlib.closing(open_readonly(path)) as ours,
    ):
        for migration in migrations():
            theirs.executescript(migration.script)
        schema = "select type, name, sql from sqlite_master where name not like '%sqlx%' order by type, name"
        assert theirs.execute(schema).fetchall() == ours.execute(schema).fetchall()


def test_only_what_validation_calls_invalid_is_refused(db):
    """A status outside the four and a flag outside 0 and 1; anything else goes in (A3, A8)."""
    add_session(db, "s1", "x" * 1_000_000)
    db.execute(
        "update sessions set type = 'new kind', created_at = 'yesterday', winner_id = -1, total_duration = 1 << 62"
    )
    add_instance(db, "s1", 7)
    db.execute("update instances set status = 'timeout', runtime = 'other'")
    add_message(db, "m1", "s1")
    db.execute("update chat_messages set role = '', content = char(0) || ?", ("\x1b[1m" * 100_000,))
    for column, value in (("status", "timeout"), ("status", "Running"), ("preserve_worktrees", 2), ("task", None)):
        with pytest.raises(sqlite3.IntegrityError):
            db.execute("update sessions set column = ?".replace("column", column), (value,))
    assert validate(db).is_valid


def test_guides_queries_use_an_index(db):
    """No listing reads a whole table or sorts it."""
    for query in ("get_sessions_by_workspace", "get_instances_by_session", "get_chat_messages_by_session"):
        plan = db.execute(
            "explain query plan " + engine.sql(f"queries/{query}"), {"workspace_path": "", "session_id": ""}
        )
        steps = " ".join(row[3] for row in plan)
        assert "SEARCH" in steps and "SCAN" not in steps and "TEMP B-TREE" not in steps


@pytest.mark.parametrize(
    ("statement", "index"),
    cases(
        count=("select count(*) from chat_messages where session_id = 's'", "COVERING INDEX chat_messages_by_session"),
        set_null=("update chat_messages set role = '' where instance_id_ref = 1", "INDEX chat_messages_by_instance"),
    ),
)
def test_triggers_and_foreign_keys_read_no_messages(db, statement, index):
    """Counting a session's messages, and finding those of a deleted instance, goes by an index alone."""
    ((_, _, _, step),) = db.execute(f"explain query plan {statement}")
    assert index in step


# Counts and search, whoever writes

WRITES = [
    lambda c, r: add_session(c, r.choice("abc"), r.choice(["login 認証", "logout 基盤"]), "or replace"),
    lambda c, r: add_session(c, r.choice("abc"), "ignored task", "or ignore"),
    lambda c, r: c.execute("update sessions set task = 'new 検索 task' where id = ?", (r.choice("abc"),)),
    lambda c, r: c.execute("update or replace sessions set id = ? where id = ?", r.sample("abc", 2)),
    lambda c, r: c.execute("delete from sessions where id = ?", (r.choice("abc"),)),
    lambda c, r: add_instance(c, r.choice("abc"), r.randrange(3), "or replace"),
    lambda c, r: add_instance(c, r.choice("abc"), r.randrange(3), "or ignore"),
    lambda c, r: c.execute("update or replace instances set session_id = ? where session_id = ?", r.sample("abc", 2)),
    lambda c, r: c.execute(
        "update or replace instances set id = (select max(id) from instances)"
        " where id = (select min(id) from instances)"
    ),
    lambda c, r: c.execute(
        "insert or replace into instances select id, ?, 9, '', '', '', '', '', '', '', '', 0, 0, 0, '', '', ''"
        " from instances limit 1",
        r.sample("abc", 1),
    ),
    lambda c, r: c.execute("delete from instances where session_id = ? and instance_id = 1", (r.choice("abc"),)),
    lambda c, r: add_message(c, r.choice("12345"), r.choice("abc"), "or replace"),
    lambda c, r: add_message(c, r.choice("12345"), r.choice("abc"), "or ignore"),
    lambda c, r: add_message(c, r.choice("12345"), r.choice("abc"), "or abort", "on conflict (id) do nothing"),
    lambda c, r: add_message(
        c, r.choice("12345"), r.choice("abc"), "", "on conflict (id) do update set session_id = excluded.session_id"
    ),
    lambda c, r: c.execute("update or replace chat_messages set id = ? where id = ?", r.sample("12345", 2)),
    lambda c, r: c.execute(
        "update chat_messages set session_id = ? where id = ?", (r.choice("abc"), r.choice("12345"))
    ),
    lambda c, r: c.execute("delete from chat_messages where id = ?", (r.choice("12345"),)),
    lambda c, r: c.execute("vacuum"),
]


@pytest.mark.parametrize("recursive_triggers", [0, 1])
@pytest.mark.parametrize("foreign_keys", [0, 1])
def test_counts_and_search_stay_right_whoever_writes(path, foreign_keys, recursive_triggers):
    """Clients that know nothing of the triggers, in any order: OR REPLACE, OR IGNORE, moves, renames, VACUUM."""
    connect(path).close()
    choose = random.Random(20 + foreign_keys + 2 * recursive_triggers)
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as client:
        client.execute(f"pragma foreign_keys = {foreign_keys}")
        client.execute(f"pragma recursive_triggers = {recursive_triggers}")
        client.execute("pragma synchronous = off")
        written = 0
        for _ in range(600):
            write = choose.choice(WRITES)
            undone = choose.random() < 0.1 and write is not WRITES[-1]
            if undone:
                client.execute("begin")
            with contextlib.suppress(sqlite3.IntegrityError):
                write(client, choose)
                written += 1
            if undone:
                client.execute("rollback")
            assert counts(client) == counted(client)
            tasks = client.execute("select id, task from sessions order by id").fetchall()
            assert (
                tasks
                == client.execute(
                    "select session_id, task from sessions_fts join search_docs on doc = sessions_fts.rowid order by 1"
                ).fetchall()
            )
            docs = [session_id for (session_id,) in client.execute("select session_id from search_docs order by 1")]
            assert docs == [session_id for session_id, _ in tasks]
            assert found(client, "login") == [session_id for session_id, task in tasks if "login" in task]
        assert written > 300
        assert not any("sessions_fts" in problem for problem in check_database_health(client).details)


def test_deleted_session_leaves_nothing_behind(path):
    """Whether or not the writer had foreign keys on."""
    connect(path).close()
    for foreign_keys in ("on", "off"):
        with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as client:
            client.execute(f"pragma foreign_keys = {foreign_keys}")
            add_session(client, "s1")
            add_instance(client, "s1", 1)
            add_message(client, "m1", "s1")
            client.execute("delete from sessions")
            for table in ("instances", "chat_messages", "search_docs", "sessions_fts"):
                assert client.execute("select count(*) from x".replace("x", table)).fetchone() == (0,)


def test_stale_entry_of_the_search_index_is_taken_over(db):
    """A session deleted while no trigger was there comes back with another task."""
    add_session(db, "s1", "old words")
    triggers = database.drop_triggers(db)
    db.execute("delete from sessions")
    database.run_statements(db, triggers)
    add_session(db, "s1", "new words")
    assert found(db, "words") == ["s1"]
    assert found(db, "old words") == []


@pytest.mark.skipif(not shutil.which("sqlite3"), reason="needs the sqlite3 command line")
def test_search_survives_dump_and_restore(path, tmp_path):
    """Restoring numbers the sessions anew; the index goes by numbers of its own."""
    with contextlib.closing(connect(path)) as db:
        for name in "abcd":
            add_session(db, name, f"task {name * 4}")
        db.execute("delete from sessions where id = 'b'")
        db.execute("vacuum")
    restored = tmp_path / "restored.db"
    dump = subprocess.run(["sqlite3", path, ".dump"], capture_output=True, check=True).stdout
    subprocess.run(["sqlite3", restored], input=dump, check=True)

    with contextlib.closing(connect(restored)) as db:
        assert found(db, "cccc") == ["c"]
        add_session(db, "b", "task bbbb")
        assert found(db, "bbbb") == ["b"]
        assert check_database_health(db).integrity_ok


def test_duckdb_as_a_writer_keeps_counts_and_search(path, tmp_path):
    """DuckDB's SQLite is another library with other defaults: the triggers serve it, too."""
    connect(path).close()
    duck = engine.connect(tmp_path)
    with engine.attached(duck, path, "live", writable=True):
        duck.execute(
            "insert into live.sessions (id, workspace_path, type, task, status, created_at, updated_at)"
            " values ('s1', '/w', 'debate', 'Fix 東京都の認証基盤', 'paused', '2025', '2025')"
        )
        duck.execute("insert into live.chat_messages values ('m1', 's1', null, 'user', 'hello', '2025')")
    duck.close()
    with contextlib.closing(connect(path)) as db:
        assert counts(db) == [("s1", 0, 1)]
        assert found(db, "の認証") == ["s1"]
        assert check_database_health(db).integrity_ok


def test_editor_sees_its_own_last_id(db):
    """The triggers' own writes do not show in last_insert_rowid() or changes()."""
    add_session(db, "s1")
    add_session(db, "s2")
    add_instance(db, "s2", 1)
    db.execute("update instances set id = 40")
    cursor = db.execute(
        "insert or replace into instances select 40, 's1', 1, '', '', '', '', '', '', '', '', 0, 0, 0, '', '', ''"
    )
    assert (cursor.lastrowid, cursor.rowcount) == (40, 1)
    assert counts(db) == [("s1", 1, 0), ("s2", 0, 0)]


# Opening


def test_path_of_the_database(tmp_path, monkeypatch):
    """By default in the person's home."""
    monkeypatch.setenv("HOME", str(tmp_path))
    assert get_database_path() == tmp_path / ".ait42" / "sessions.db"
    assert get_database_path(tmp_path) == tmp_path / "sessions.db"


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077, 0o277])
def test_what_connect_makes_is_private(path, umask):
    """Folder 0700 and file 0600, the log and its index as well, whatever the umask."""
    before = os.umask(umask)
    try:
        with contextlib.closing(connect(path)) as db:
            add_session(db, "s1")
            modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()}
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert modes == {"sessions.db": 0o600, "sessions.db-wal": 0o600, "sessions.db-shm": 0o600}


def test_existing_folder_and_file_keep_their_modes(path):
    """The editor's folder is the person's affair."""
    connect(path).close()
    path.parent.chmod(0o755)
    path.chmod(0o640)
    connect(path).close()
    assert (path.parent.stat().st_mode & 0o777, path.stat().st_mode & 0o777) == (0o755, 0o640)


def test_connection_is_as_designed(db, path):
    """WAL, foreign keys, NORMAL, five seconds' patience, autocommit; nothing is left beside the closed file."""
    pragmas = ("journal_mode", "foreign_keys", "synchronous", "busy_timeout")
    assert [db.execute(f"pragma {name}").fetchone()[0] for name in pragmas] == ["wal", 1, 1, 5000]
    assert db.isolation_level is None
    db.close()
    assert [file.name for file in path.parent.iterdir()] == ["sessions.db"]


def test_file_of_zero_bytes_is_an_empty_database(path):
    """It becomes ours, and private."""
    path.parent.mkdir()
    path.touch(0o644)
    with contextlib.closing(connect(path)) as db:
        assert validate(db).is_valid
    assert path.stat().st_mode & 0o777 == 0o600


def test_odd_names_are_only_names(tmp_path):
    """A path is never read as a URI or SQL."""
    path = tmp_path / "a ?mode=memory#%41'日本" / "sessions.db"
    with contextlib.closing(connect(path)) as db:
        add_session(db, "s1")
    with contextlib.closing(open_readonly(path)) as db:
        assert counts(db) == [("s1", 0, 0)]
    assert [file.name for file in tmp_path.iterdir()] == ["a ?mode=memory#%41'日本"]


def test_many_processes_may_make_the_database_at_once(path):
    """Each gets a whole schema, and each migration is applied once."""
    script = "import sys; from ait42nb.database import connect; connect(sys.argv[1], timeout=30).close()"
    processes = [subprocess.Popen([sys.executable, "-c", script, str(path)]) for _ in range(6)]
    assert [process.wait() for process in processes] == [0] * 6
    with contextlib.closing(connect(path)) as db:
        assert db.execute("select count(*) from _sqlx_migrations").fetchone() == (len(migrations()),)
        assert check_database_health(db).integrity_ok


@pytest.mark.parametrize(
    ("make", "problem"),
    cases(
        guide=(lambda path: guide_database(path), "not made by ait42nb"),
        unknown_column=(lambda path: guide_database(path, ", mood TEXT"), "column mood"),
        foreign=(lambda path: foreign_database(path), "no table sessions"),
        text=(lambda path: path.write_bytes(b"no database, but text " * 500), "file is not a database"),
        three_bytes=(lambda path: path.write_bytes(b"SQL"), "file is not a database"),
        folder=(lambda path: path.mkdir(), "cannot be opened"),
        dead_link=(lambda path: path.symlink_to("nowhere"), "cannot be opened"),
    ),
)
def test_connect_touches_no_database_but_ours(path, make, problem):
    """Refused with the reason and what to do, and every byte as before."""
    path.parent.mkdir()
    make(path)
    before = snapshot(path.parent)
    with pytest.raises(DatabaseRefused, match=problem) as refused:
        connect(path)
    assert refused.value.where == str(path) and refused.value.remedy
    assert snapshot(path.parent) == before


@pytest.mark.parametrize("make", [connect, create])
@pytest.mark.parametrize("suffix", database.SIDE_FILES)
def test_side_file_of_a_former_database_is_refused(path, make, suffix):
    """SQLite would replay it into the new database, or delete it."""
    path.parent.mkdir()
    stray = Path(f"{path}{suffix}")
    stray.write_bytes(b"x" * 100)
    with pytest.raises(DatabaseRefused, match="a database that is gone"):
        make(path)
    assert list(path.parent.iterdir()) == side_files(path) == [stray]


def test_log_beside_an_empty_file_is_refused(path):
    """SQLite would delete it without a word."""
    path.parent.mkdir()
    path.touch()
    Path(f"{path}-wal").write_bytes(b"x" * 100)
    with pytest.raises(DatabaseRefused, match="a database that is gone"):
        connect(path)
    assert Path(f"{path}-wal").stat().st_size == 100


def test_folder_that_cannot_be_made(tmp_path):
    """No traceback of the system's: the home is named."""
    (tmp_path / "file").touch()
    with pytest.raises(HomeError, match=r"file/sessions\.db: it cannot be used"):
        connect(tmp_path / "file" / "sessions.db")


def test_locked_database_names_who_locks_it(path):
    """After the timeout, with the process that has the file open."""
    guide_database(path)  # rollback mode, where a writer keeps readers out
    with (
        another_process("c.execute('begin exclusive')", path) as other,
        pytest.raises(DatabaseLocked, match=f"process {other.pid}") as locked,
    ):
        connect(path, timeout=0.1)
    assert locked.value.__cause__.sqlite_errorname == "SQLITE_BUSY"


def test_writer_waits_then_names_the_lock(db, path):
    """In WAL mode opening is possible, writing is not."""
    connect(path).close()
    with another_process("c.execute('begin immediate')", path) as other:
        assert holders(path) == [f"process {other.pid}, {Path(f'/proc/{other.pid}/comm').read_text().strip()}"]
        with (
            contextlib.closing(connect(path, timeout=0.1)) as second,
            pytest.raises(DatabaseLocked, match=str(other.pid)),
        ):
            fill_counts(second)
    assert holders(path) == []


def test_idle_connection_in_rollback_mode_is_a_holder(path):
    """It holds no lock, but it has the file open."""
    guide_database(path)
    with another_process("c.execute('select * from sessions').fetchall()", path) as other:
        assert [name.split(",")[0] for name in holders(path)] == [f"process {other.pid}"]
    assert holders(path.parent / "missing.db") == []


def test_holder_of_another_user_shows_by_its_lock(db, path, monkeypatch):
    """What it has open only its own user may see."""

    def denied(folder):
        raise PermissionError

    add_session(db, "s1")
    with another_process("c.execute('select * from sessions').fetchall()", path) as other:
        monkeypatch.setattr(Path, "iterdir", denied)
        assert [name.split(",")[0] for name in holders(path)] == [f"process {other.pid}"]


# Looking without touching

WRITE = """
c.execute("insert into sessions (id, workspace_path, type, task, status, created_at, updated_at)"
          " values ('s2', '', '', 'log', 'paused', '', '')")
"""
WRITE_MUCH = """
c.execute("pragma cache_size = 2")
c.execute("begin")
c.execute("update sessions set task = hex(randomblob(200000))")
"""


@pytest.fixture(params=["wal", "delete"])
def journal_mode(request) -> str:
    return request.param


def made_database(path: Path, journal_mode: str) -> None:
    with contextlib.closing(connect(path)) as db:
        add_session(db, "s1")
        db.execute(f"pragma journal_mode = {journal_mode}")


def seen_without_touching(path: Path) -> list[str]:
    before = snapshot(path.parent)
    with contextlib.closing(open_readonly(path, timeout=0.1)) as db:
        sessions = [row[0] for row in db.execute("select id from sessions order by id")]
        assert check_database_health(db).integrity_ok
    assert inspect_database(path).kind == "ours"
    assert snapshot(path.parent) == before
    return sessions


def test_looking_at_a_closed_database(path, journal_mode):
    """No side file appears, in either journal mode."""
    made_database(path, journal_mode)
    assert seen_without_touching(path) == ["s1"]
    with contextlib.closing(open_readonly(path)) as db, pytest.raises(sqlite3.OperationalError, match="readonly"):
        add_session(db, "s2")


def test_looking_at_a_live_database(path, journal_mode):
    """What the editor has just written is seen, though it stands only in the log."""
    made_database(path, journal_mode)
    with another_process(WRITE, path):
        assert seen_without_touching(path) == ["s1", "s2"]


def test_looking_during_a_transaction(path, journal_mode):
    """The state before it is seen; in rollback mode a writer about to commit keeps readers out."""
    made_database(path, journal_mode)
    with another_process(WRITE + WRITE_MUCH, path):
        if journal_mode == "wal":
            assert seen_without_touching(path) == ["s1", "s2"]
        else:
            with pytest.raises(DatabaseLocked):
                open_readonly(path, timeout=0.1)


def test_looking_at_a_killed_database(path, journal_mode):
    """The log is read, the journal rolled back, neither in place."""
    made_database(path, journal_mode)
    with another_process(WRITE + WRITE_MUCH, path, killed=True):
        pass
    assert len(side_files(path)) == (2 if journal_mode == "wal" else 1)
    assert seen_without_touching(path) == ["s1", "s2"]


def test_looking_at_a_log_without_its_index(path):
    """As after a restart or a copy; the private copy goes with the connection."""
    made_database(path, "wal")
    with another_process(WRITE, path, killed=True):
        pass
    Path(f"{path}-shm").unlink()
    assert seen_without_touching(path) == ["s1", "s2"]
    db = open_readonly(path)
    copy = database.database_path(db)
    db.close()
    assert copy.parent != path.parent and not copy.parent.exists()


def test_looking_at_a_log_whose_index_cannot_be_used(path, monkeypatch):
    """SQLite gives up on it; as long as nobody else is there, a private copy tells."""
    made_database(path, "wal")
    with another_process(WRITE, path, killed=True):
        pass
    really_open = database._open

    def give_up(where: Path, query: str, *pragmas: str, **more: object) -> sqlite3.Connection:
        if "readonly_shm" not in query:
            return really_open(where, query, *pragmas, **more)
        error = sqlite3.OperationalError("locking protocol")
        error.sqlite_errorname = "SQLITE_PROTOCOL"
        raise error

    monkeypatch.setattr(database, "_open", give_up)
    assert seen_without_touching(path) == ["s1", "s2"]
    monkeypatch.setattr(database, "holders", lambda _: ["process 42, ait42-editor"])
    with pytest.raises(DatabaseLocked, match="process 42, ait42-editor"):
        open_readonly(path)


def test_looking_keeps_this_process_locks(path, journal_mode):
    """A second connection that is closed does not let go of the first one's lock."""
    made_database(path, journal_mode)
    with contextlib.closing(open_existing(path)) as db, transaction(db):
        add_session(db, "s2")
        open_readonly(path).close()
        inspect_database(path)
        ask = "import sqlite3, sys; sqlite3.connect(sys.argv[1], timeout=0).execute('begin immediate')"
        refused = subprocess.run([sys.executable, "-c", ask, path], capture_output=True, text=True)
        assert "database is locked" in refused.stderr


def test_looking_at_nothing(path):
    """Nothing is made."""
    with pytest.raises(DatabaseRefused, match="no such file"):
        open_readonly(path)
    assert not path.parent.exists()


# Whose database is it?


def empty_wal_database(path: Path) -> None:
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("pragma journal_mode = wal")
        connection.execute("create table t (x)")
        connection.execute("drop table t")


def cut_off_after_one_migration(path: Path) -> None:
    with contextlib.closing(connect(path)) as db:
        for table in COLUMNS:
            if table.startswith("migration_"):
                db.execute(f"drop table {table}")
        db.execute("delete from _sqlx_migrations where version > (select min(version) from _sqlx_migrations)")


def unfinished_migration(path: Path) -> None:
    with contextlib.closing(connect(path)) as db:
        db.execute("update _sqlx_migrations set success = 0")


def zero_bytes_and_log(path: Path) -> None:
    path.touch()
    Path(f"{path}-wal").write_bytes(b"x")


def truncated(path: Path) -> None:
    connect(path).close()
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size // 2)


@pytest.mark.parametrize(
    ("make", "kind", "reason"),
    cases(
        nothing=(lambda path: None, "none", "there is none"),
        stray_log=(lambda path: Path(f"{path}-wal").touch(), "none", "sessions.db-wal of a former one"),
        zero_bytes=(lambda path: path.touch(), "empty", "0 bytes"),
        no_tables=(empty_wal_database, "empty", "no tables"),
        ours=(lambda path: connect(path).close(), "ours", "the kit's schema"),
        cut_off=(cut_off_after_one_migration, "ours", "the kit's schema"),
        unfinished=(unfinished_migration, "ours", "did not finish"),
        guide=(lambda path: guide_database(path), "guide", "not made by ait42nb"),
        unknown_column=(lambda path: guide_database(path, ", mood"), "foreign", "column mood"),
        foreign=(foreign_database, "foreign", "no table sessions"),
        folder=(lambda path: path.mkdir(), "foreign", "not a file"),
        pipe=(os.mkfifo, "foreign", "not a file"),
        dead_link=(lambda path: path.symlink_to("nowhere"), "foreign", "not a file"),
        garbage=(lambda path: path.write_bytes(b"garbage " * 700), "damaged", "not a database"),
        truncated=(truncated, "damaged", "malformed"),
        zero_bytes_and_log=(zero_bytes_and_log, "damaged", "former database"),
    ),
)
def test_inspection_tells_whose_database_it_is(path, make, kind, reason):
    """In plain words, writing nothing."""
    path.parent.mkdir()
    make(path)
    before = snapshot(path.parent)
    state = inspect_database(path)
    assert state.kind == kind
    assert reason in state.reason
    assert snapshot(path.parent) == before


# Migrations


def test_applying_again_is_nothing(db):
    """Nothing is pending, nothing is written."""
    before = db.execute("select * from _sqlx_migrations").fetchall()
    assert check_migrations(db) == apply_migrations(db) == []
    assert db.execute("select * from _sqlx_migrations").fetchall() == before


@pytest.mark.parametrize(
    ("damage", "problem"),
    cases(
        unfinished=("update _sqlx_migrations set success = version % 10000 <> 200", "080200 did not finish"),
        changed=("update _sqlx_migrations set checksum = x'00'", "another text of 20261124080000_sessions.sql"),
        newer=("insert into _sqlx_migrations values (99991231000000, '', '', 1, x'00', 1)", "newer than this version"),
        unknown=("insert into _sqlx_migrations values (1, 'initial', '', 1, x'00', 1)", "1 is unknown"),
    ),
)
def test_foreign_migration_records_are_refused(path, damage, problem):
    """With the file, the reason and a remedy; nothing is applied."""
    with contextlib.closing(connect(path)) as db:
        db.execute(damage)
        db.execute("pragma journal_mode = delete")
    before = snapshot(path.parent)
    with pytest.raises(DatabaseRefused, match=problem) as refused:
        connect(path)
    assert refused.value.where == str(path)
    assert snapshot(path.parent) == before


def test_cut_off_schema_is_finished_on_connecting(path):
    """Each migration is a transaction of its own: the next opening goes on after the last one."""
    with contextlib.closing(open_existing_empty(path)) as db:
        first, *later = migrations()
        database.run_script(db, first.script)
        db.execute(engine.sql("database/create_migrations_table"))
        db.execute("insert into _sqlx_migrations values (?, '', '', 1, ?, 1)", (first.version, first.checksum))
        assert check_migrations(db) == later
    with contextlib.closing(connect(path)) as db:
        assert check_migrations(db) == []
        assert check_database_health(db).integrity_ok


def open_existing_empty(path: Path) -> sqlite3.Connection:
    path.parent.mkdir()
    path.touch()
    return open_existing(path)


def test_failing_migration_is_undone_whole(path, monkeypatch):
    """Its statements and its record; those before it stay."""
    broken = replace(
        migrations()[-1],
        name="20990101000000_broken.sql",
        version=20990101000000,
        script="create table half (x); insert into nowhere values (1);",
    )
    monkeypatch.setattr(database, "migrations", lambda: (*migrations(), broken))
    with pytest.raises(DatabaseRefused, match=r"20990101000000_broken.sql: SQLite failed: no such table: nowhere"):
        connect(path)
    monkeypatch.undo()
    with contextlib.closing(connect(path)) as db:
        assert db.execute("select count(*) from sqlite_master where name = 'half'").fetchone() == (0,)
        assert db.execute("select count(*) from _sqlx_migrations").fetchone() == (len(migrations()),)


def test_migrations_join_an_open_transaction(path):
    """Adoption needs schema and data to come together or not at all."""
    with contextlib.closing(open_existing_empty(path)) as db:
        db.execute("begin immediate")
        assert apply_migrations(db) == list(migrations())
        assert db.in_transaction
        db.rollback()
        assert db.execute("select count(*) from sqlite_master").fetchone() == (0,)


def test_scripts_are_split_at_statements(db):
    """Not at a semicolon in a text, a comment or a trigger."""
    database.run_script(
        db,
        """
        create table t (x);  -- one; two
        create trigger tr after insert on t begin
          update t set x = case when x = ';' then 'it''s; ok' else x end;
        end;
        insert into t values (';');
        -- the end
        """,
    )
    assert db.execute("select x from t").fetchall() == [("it's; ok",)]


def test_transaction_is_all_or_nothing(db):
    """Also within another one, whose part it is."""
    with contextlib.suppress(ZeroDivisionError), transaction(db):
        add_session(db, "s1")
        with transaction(db):
            add_session(db, "s2")
        1 / 0  # noqa: B018
    assert counts(db) == []
    assert not db.in_transaction


# Bulk loads


def test_staging_file_is_private_and_new(path):
    """0600 whatever the umask; an existing file is never taken."""
    path.parent.mkdir()
    before = os.umask(0)
    try:
        create(path).close()
    finally:
        os.umask(before)
    assert path.stat().st_mode & 0o777 == 0o600
    with pytest.raises(DatabaseRefused, match="a file already"):
        create(path)


@pytest.mark.parametrize("editable", [True, False], ids=["a schema that can be edited", "one that cannot"])
def test_bulk_load_ends_as_single_writes_do(path, tmp_path, editable: bool):
    """Without triggers, indexes and key, then all of them again: the same schema, rows, counts and findings."""
    path.parent.mkdir()
    staging = create(path)
    triggers, indexes = database.drop_triggers(staging), database.drop_indexes(staging)
    key = database.drop_key(staging)
    assert staging.execute("select count(*) from sqlite_master where type = 'trigger'").fetchone() == (0,)
    single = connect(tmp_path / "single.db")
    for db in (staging, single):
        for number in range(30):
            add_session(db, f"s{number}", f"task number {number:03}")
            add_instance(db, f"s{number}", 1)
            for message in range(number % 3):
                add_message(db, f"m{number}-{message}", f"s{number}")
    staging.close()
    staging = open_staging(path)
    assert counts(staging)[2] == ("s10", 0, 0)

    if not editable:
        refuse_first_edit(staging)
    database.restore_key(staging, key)
    staging.set_authorizer(None)
    database.run_statements(staging, indexes)
    fill_counts(staging)
    fill_search(staging)
    database.run_statements(staging, triggers)

    messages = "select rowid, * from chat_messages order by rowid"
    assert staging.execute(messages).fetchall() == single.execute(messages).fetchall()
    for table in ("chat_messages", "sessions"):
        assert staging.execute(f"pragma index_list({table})").fetchall() == (
            single.execute(f"pragma index_list({table})").fetchall()
        )
    with pytest.raises(sqlite3.IntegrityError, match=r"chat_messages\.id"):
        add_message(staging, "m1-0", "s2")
    schema = "select type, name, sql from sqlite_master order by type, name"
    assert staging.execute(schema).fetchall() == single.execute(schema).fetchall()
    assert counts(staging) == counts(single) == counted(single)
    assert found(staging, "number 017") == found(single, "number 017") == ["s17"]
    assert check_database_health(staging).integrity_ok
    staging.close()
    single.close()


def refuse_first_edit(connection: sqlite3.Connection) -> None:
    """Refuse as SQLite on macOS does: what somebody asks for, but not what SQLite itself needs for its statements."""
    edits = []

    def authorize(action: int, table: str | None, *_: object) -> int:
        if action == sqlite3.SQLITE_UPDATE and table == "sqlite_master":
            edits.append(table)
            return sqlite3.SQLITE_DENY if len(edits) == 1 else sqlite3.SQLITE_OK
        return sqlite3.SQLITE_OK

    connection.set_authorizer(authorize)


def test_two_messages_of_one_id_get_no_key(path):
    """Nothing is published of a staging file in which one of them would be lost."""
    path.parent.mkdir()
    with contextlib.closing(create(path)) as staging:
        key = database.drop_key(staging)
        staging.execute("pragma foreign_keys = off")
        for content in ("one", "another"):
            staging.execute("insert into chat_messages values ('m', 's', null, 'user', ?, '')", (content,))
        with pytest.raises(DatabaseRefused, match=r"chat_messages\.id"):
            database.restore_key(staging, key)


def test_filling_again_changes_nothing(db):
    """Right counts are not written, and the index is made anew, not doubled."""
    add_session(db, "s1")
    add_message(db, "m1", "s1")
    before = db.total_changes
    fill_counts(db)
    assert db.total_changes == before
    fill_search(db)
    fill_search(db)
    assert found(db, "login") == ["s1"]
    assert check_database_health(db).integrity_ok


def test_slice_may_drop_only_the_counting(db):
    """A slice of a merge counts once, while the search index is kept row by row."""
    with transaction(db):
        triggers = database.drop_triggers(db, ["instances", "chat_messages"])
        add_session(db, "s1")
        for number in range(5):
            add_message(db, f"m{number}", "s1")
        assert counts(db) == [("s1", 0, 0)]
        fill_counts(db)
        database.run_statements(db, triggers)
    add_message(db, "m9", "s1")
    assert counts(db) == [("s1", 0, 6)]
    assert found(db, "login") == ["s1"]


# Health


@pytest.mark.parametrize(
    ("damage", "detail"),
    cases(
        indexed_text=("update sessions_fts_content set c0 = 'other'", "1 sessions are not found"),
        search_index=("delete from sessions_fts_data where id > 10", "index is damaged"),
        search_numbers=("update search_docs set session_id = 'gone'", "1 entries belong to no session"),
        reference=(
            "pragma foreign_keys = off; update chat_messages set session_id = 'gone'",
            "1 rows refer to sessions",
        ),
    ),
)
def test_health_finds_damage(path, damage, detail):
    """Pages, indexes, constraints, references and the search index, on a connection that only reads."""
    with contextlib.closing(connect(path)) as db:
        add_session(db, "s1")
        add_message(db, "m1", "s1")
        assert check_database_health(db) == database.DatabaseHealth(1, path_size(db), True)
        db.executescript(damage)
    with contextlib.closing(open_readonly(path)) as db:
        health = check_database_health(db)
        report = validate(db)
    assert not health.integrity_ok and not report.is_valid
    assert any(detail in problem for problem in health.details), health.details
    assert report.details == health.details


class Guarded(sqlite3.Connection):
    """As SQLite on macOS: nobody writes to the tables behind a search index."""

    def execute(self, statement: str, *parameters: object) -> sqlite3.Cursor:
        if "search_copy_config" in statement:
            raise sqlite3.OperationalError("table search_copy_config may not be modified")
        return super().execute(statement, *parameters)


def test_health_where_nobody_writes_behind_a_search_index(path):
    """Its texts are compared all the same, and it is no damage."""
    with contextlib.closing(connect(path)) as db:
        add_session(db, "s1")
    with contextlib.closing(sqlite3.connect(path, factory=Guarded, isolation_level=None)) as db:
        assert check_database_health(db).details == ()
        db.execute("update sessions_fts_content set c0 = 'other'")
        assert check_database_health(db).details[-1] == "sessions_fts: 1 sessions are not found by their task"


def path_size(db: sqlite3.Connection) -> int:
    return db.execute("pragma page_count").fetchone()[0] * db.execute("pragma page_size").fetchone()[0]


def test_status_that_no_constraint_guarded(path):
    """Found by the integrity check where SQLite reads CHECK constraints, and counted by the validation anyway."""
    with contextlib.closing(connect(path)) as db:
        add_session(db, "s1")
        db.execute("pragma ignore_check_constraints = on")
        db.execute("update sessions set status = 'lost'")
        db.execute("pragma ignore_check_constraints = off")
        assert check_database_health(db).details == ("CHECK constraint failed in sessions",)
    with contextlib.closing(open_readonly(path)) as db:
        assert validate(db).invalid_statuses == 1


def test_health_of_a_flipped_byte_in_an_index(path):
    """quick_check would not see it."""
    with contextlib.closing(connect(path)) as db:
        add_session(db, "s1")
        db.execute("update sessions set workspace_path = '/the/folder/in/the/index'")
    content = path.read_bytes()
    path.write_bytes(content.replace(b"/the/folder/in/the/index", b"/the/folder/in/the/indeX", 1))
    with contextlib.closing(open_readonly(path)) as db:
        assert not check_database_health(db).integrity_ok


@pytest.mark.parametrize("size", [1, 3, 5, 20])
def test_health_never_raises_over_a_damaged_file(path, size):
    """Pages overwritten anywhere: a finding, or unharmed, but no exception."""
    with contextlib.closing(connect(path)) as db:
        for number in range(20):
            add_session(db, f"s{number}", f"task {number} " * 50)
    pages = bytearray(path.read_bytes())
    page = size * 4096
    pages[page : page + 4096] = random.Random(size).randbytes(4096)
    path.write_bytes(pages)
    with contextlib.closing(open_readonly(path)) as db:
        health, report = check_database_health(db), validate(db)
    assert not health.integrity_ok and health.details and health.db_size_bytes == len(pages)
    assert not report.is_valid


def test_health_of_a_file_that_is_cut_while_open(path):
    """Nothing can be counted, the size is the file's."""
    with contextlib.closing(connect(path)) as db:
        add_session(db, "s1")
    with contextlib.closing(open_readonly(path)) as db:
        with path.open("r+b") as file:
            file.truncate(5000)
        health = check_database_health(db)
    assert not health.integrity_ok and health.session_count == 0


def test_health_of_the_guides_database(path):
    """It has no search index of ours to be examined."""
    guide_database(path)
    with contextlib.closing(open_readonly(path)) as db:
        health = check_database_health(db)
    assert (health.session_count, health.integrity_ok, health.details) == (1, True, ())


def test_validation_prints_the_guides_block():
    """Line for line as in the guide's expected output."""
    report = ValidationReport(15, 45, 230, 0, 0, 0, db_size_bytes=2 * 1024 * 1024 + 5, integrity_ok=True)
    assert str(report).splitlines() == [
        "=== Migration Validation Report ===",
        "Sessions:          15",
        "Instances:         45",
        "Messages:          230",
        "Orphaned instances: 0",
        "Orphaned messages:  0",
        "Invalid statuses:   0",
        "Database size:      2 MB",
        "Integrity check:    OK",
        "Overall:            VALID ✓",
    ]
    assert str(replace(report, integrity_ok=False)).splitlines()[-2:] == [
        "Integrity check:    FAILED",
        "Overall:            INVALID ✗",
    ]


@pytest.mark.parametrize(
    "wrong",
    [
        {"orphaned_instances": 1},
        {"orphaned_messages": 1},
        {"invalid_statuses": 1},
        {"values_different": 1},
        {"integrity_ok": False},
    ],
)
def test_each_fault_alone_makes_the_report_invalid(wrong):
    """And the summary says the same."""
    report = ValidationReport(integrity_ok=True, values_compared=9)
    assert report.is_valid and report.to_dict()["is_valid"]
    assert not replace(report, **wrong).is_valid
    assert not replace(report, **wrong).to_dict()["is_valid"]


def test_summary_has_the_designs_keys():
    """In the order of the design."""
    keys = (
        "session_count instance_count message_count orphaned_instances orphaned_messages invalid_statuses"
        " db_size_bytes integrity_ok values_compared values_different is_valid"
    )
    assert " ".join(ValidationReport().to_dict()) == keys


def test_validation_counts_orphans_and_statuses(path):
    """Of a database that no constraint has guarded."""
    guide_database(path)
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("update sessions set status = 'lost'")
        db.execute("insert into instances (session_id) values ('s1'), ('gone'), ('gone')")
        db.execute("insert into chat_messages (session_id) values ('s1'), ('gone')")
    with contextlib.closing(open_readonly(path)) as db:
        report = validate(db)
    assert (report.session_count, report.instance_count, report.message_count) == (1, 3, 2)
    assert (report.orphaned_instances, report.orphaned_messages, report.invalid_statuses) == (2, 1, 1)
    assert report.integrity_ok and not report.is_valid
