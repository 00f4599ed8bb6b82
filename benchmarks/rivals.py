"""What people would do instead, and the floor under all of it. Each reads `{home}/sessions/*.json` into a new database.

None of them checks, holds back, backs up, compares or proves anything: the made-up home is in order, so that they can.
"""

# ruff: noqa: S608 (what is put into the statements are names of columns)

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path

import duckdb
import sqlite_utils

from ait42nb import database

SESSION = (
    "id type task status createdAt updatedAt completedAt model timeoutSeconds preserveWorktrees winnerId runtimeMix "  # noqa: SIM905
    "totalDuration totalFilesChanged totalLinesAdded totalLinesDeleted".split()
)
INSTANCE = (
    "instanceId worktreePath branch agentName status tmuxSessionId output startTime endTime filesChanged linesAdded "  # noqa: SIM905
    "linesDeleted runtime model runtimeLabel".split()
)
SESSION_COLUMNS = (
    "id, workspace_path, type, task, status, created_at, updated_at, completed_at, model, timeout_seconds, "
    "preserve_worktrees, winner_id, runtime_mix, total_duration, total_files_changed, total_lines_added, "
    "total_lines_deleted"
)
INSTANCE_COLUMNS = (
    "session_id, instance_id, worktree_path, branch, agent_name, status, tmux_session_id, output, start_time, "
    "end_time, files_changed, lines_added, lines_deleted, runtime, model, runtime_label"
)
MESSAGE_COLUMNS = "id, session_id, instance_id_ref, role, content, timestamp"
_UPSERTS = {
    "session": "insert into sessions ({}) values ({}) on conflict (id) do update set "
    "status = excluded.status, updated_at = excluded.updated_at, completed_at = excluded.completed_at",
    "instance": "insert into instances ({}) values ({}) on conflict (session_id, instance_id) do update set "
    "status = excluded.status, end_time = excluded.end_time",
    "message": "insert into chat_messages ({}) values ({}) on conflict (id) do nothing",
}


def _files(home: Path) -> Iterator[tuple[str, str]]:
    """Workspace path and text of each file."""
    mapping = json.loads((home / "workspace_mapping.json").read_text(encoding="utf-8"))
    for path in sorted((home / "sessions").iterdir()):
        yield mapping[path.stem], path.read_text(encoding="utf-8")


def _session(path: str, record: dict) -> tuple:
    values = {**record, "preserveWorktrees": int(bool(record["preserveWorktrees"]))}
    if record["runtimeMix"] is not None:
        values["runtimeMix"] = json.dumps(record["runtimeMix"], ensure_ascii=False, separators=(",", ":"))
    return (record["id"], path, *(values[key] for key in SESSION[1:]))


def _instance(record: dict, instance: dict) -> tuple:
    return (record["id"], *(instance[key] for key in INSTANCE))


def _marks(columns: str) -> str:
    return ", ".join("?" * (columns.count(",") + 1))


def guide(home: Path, target: Path) -> None:
    """The guide's algorithm: a transaction a session, row by row, triggers counting, in WAL mode."""
    columns = {"session": SESSION_COLUMNS, "instance": INSTANCE_COLUMNS, "message": MESSAGE_COLUMNS}
    insert = {kind: _UPSERTS[kind].format(columns[kind], _marks(columns[kind])) for kind in columns}
    with closing(database.connect(target)) as connection:
        for path, text in _files(home):
            for record in json.loads(text):
                with database.transaction(connection):
                    connection.execute(insert["session"], _session(path, record))
                    rows = {}
                    for instance in record["instances"]:
                        connection.execute(insert["instance"], _instance(record, instance))
                        (rows[instance["instanceId"]],) = connection.execute(
                            "select id from instances where session_id = ? and instance_id = ?",
                            (record["id"], instance["instanceId"]),
                        ).fetchone()
                    for message in record["chatHistory"]:
                        row = rows.get(message["instanceId"])
                        connection.execute(insert["message"], _message(record, message, row))


def _message(record: dict, message: dict, row: int | None) -> tuple:
    return (message["id"], record["id"], row, message["role"], message["content"], message["timestamp"])


def python(home: Path, target: Path) -> None:
    """Plain Python in bulk: `json` and `executemany`, no journal, indexes and search afterwards."""
    with _bulk(target) as connection:
        first = 1
        for path, text in _files(home):
            records = json.loads(text)
            _insert(connection, "sessions", SESSION_COLUMNS, (_session(path, record) for record in records))
            instances, messages = [], []
            for record in records:
                rows = {}
                for row, instance in enumerate(record["instances"], first):
                    rows[instance["instanceId"]] = row
                    instances.append((row, *_instance(record, instance)))
                first += len(record["instances"])
                messages += (_message(record, m, rows.get(m["instanceId"])) for m in record["chatHistory"])
            _insert(connection, "instances", f"id, {INSTANCE_COLUMNS}", instances)
            _insert(connection, "chat_messages", MESSAGE_COLUMNS, messages)


class _bulk:
    """A staging file without triggers and indexes; on leaving, counted, indexed and searchable."""

    def __init__(self, target: Path) -> None:
        self.connection = database.create(target)

    def __enter__(self) -> sqlite3.Connection:
        self.triggers = database.drop_triggers(self.connection)
        self.indexes = database.drop_indexes(self.connection)
        self.connection.execute("begin")
        return self.connection

    def __exit__(self, *failure: object) -> None:
        with closing(self.connection) as connection:
            connection.execute("commit")
            database.run_statements(connection, self.indexes)
            database.fill_counts(connection)
            database.fill_search(connection)
            database.run_statements(connection, self.triggers)


def _insert(connection: sqlite3.Connection, table: str, columns: str, rows: Iterable[tuple]) -> None:
    connection.executemany(f"insert into {table} ({columns}) values ({_marks(columns)})", rows)


def sqlite_utils_(home: Path, target: Path) -> None:
    """sqlite-utils: its tables from dictionaries, its foreign keys, indexes and full-text search."""
    store = sqlite_utils.Database(target)
    store.conn.execute("pragma journal_mode = off")
    store.conn.execute("pragma synchronous = off")
    first = 1
    session_names, instance_names, message_names = (
        columns.split(", ") for columns in (SESSION_COLUMNS, f"id, {INSTANCE_COLUMNS}", MESSAGE_COLUMNS)
    )
    for path, text in _files(home):
        records = json.loads(text)
        instances, messages = [], []
        for record in records:
            rows = {}
            for row, instance in enumerate(record["instances"], first):
                rows[instance["instanceId"]] = row
                instances.append(dict(zip(instance_names, (row, *_instance(record, instance)), strict=True)))
            first += len(record["instances"])
            for message in record["chatHistory"]:
                values = _message(record, message, rows.get(message["instanceId"]))
                messages.append(dict(zip(message_names, values, strict=True)))
        sessions = (dict(zip(session_names, _session(path, record), strict=True)) for record in records)
        store["sessions"].insert_all(sessions, pk="id")
        store["instances"].insert_all(instances, pk="id", foreign_keys=[("session_id", "sessions")])
        keys = [("session_id", "sessions"), ("instance_id_ref", "instances")]
        store["chat_messages"].insert_all(messages, pk="id", foreign_keys=keys)
    for table, wanted in _INDEXES.items():
        for columns in wanted:
            store[table].create_index(columns.split(" "))
    store["sessions"].enable_fts(["task"], tokenize="trigram")
    store.close()


_INDEXES = {
    "sessions": (
        *("workspace_path", "type", "status", "created_at"),
        *("workspace_path status", "workspace_path created_at"),
    ),
    "instances": ("session_id", "session_id instance_id", "status", "tmux_session_id"),
    "chat_messages": ("session_id timestamp", "timestamp"),
}


def sqlite_json(home: Path, target: Path) -> None:
    """SQLite's own JSON functions, a file a statement."""
    sessions = ", ".join(f"value ->> '$.{key}'" for key in SESSION[1:])
    sessions = sessions.replace("value ->> '$.preserveWorktrees'", "coalesce(value ->> '$.preserveWorktrees', 0)")
    instances = ", ".join(f"item.value ->> '$.{key}'" for key in INSTANCE)
    of_session = "from json_each($text) as session, json_each(session.value, '$.{}') as item"
    statements = (
        f"insert into sessions ({SESSION_COLUMNS}) select value ->> '$.id', $path, {sessions} from json_each($text)",
        f"insert into instances ({INSTANCE_COLUMNS}) select session.value ->> '$.id', {instances} "
        + of_session.format("instances"),
        f"insert into chat_messages ({MESSAGE_COLUMNS}) select item.value ->> '$.id', session.value ->> '$.id', "
        "(select id from instances where session_id = session.value ->> '$.id' "
        "and instance_id = item.value ->> '$.instanceId'), "
        "item.value ->> '$.role', item.value ->> '$.content', item.value ->> '$.timestamp' "
        + of_session.format("chatHistory"),
    )
    with _bulk(target) as connection:
        for path, text in _files(home):
            for statement in statements:
                connection.execute(statement, {"path": path, "text": text})


def floor(home: Path, target: Path) -> None:
    """What cannot be done without: DuckDB reads the files as JSON, SQLite writes the finished database once more."""
    copies = [str(path) for path in sorted((home / "sessions").iterdir())]
    read = "select count(*), sum(strlen(json)) from read_json_objects(?, format = 'array')"
    duckdb.connect().execute(read, [copies]).fetchall()
    with closing(database.open_readonly(home / "sessions.db")) as connection:
        connection.execute("vacuum into ?", (str(target),))


RIVALS = {
    "guide": guide,
    "python": python,
    "sqlite_utils": sqlite_utils_,
    "sqlite_json": sqlite_json,
    "floor": floor,
}
