"""A database that the guide's own tool or the editor made becomes the kit's: its tables are rebuilt, its rows kept."""

from __future__ import annotations

import json
import re
import sqlite3
from contextlib import closing
from pathlib import Path

from ait42nb import __version__, database
from ait42nb.engine import sql
from ait42nb.errors import DatabaseLocked, DatabaseRefused
from ait42nb.home import new_run_id, now

# Parents first: each refers to those before it.
TABLES = ("sessions", "instances", "chat_messages")
COUNTS = ("instance_count", "message_count")


def adopt_database(path: str | Path, *, timeout: float = 5.0) -> None:
    """Rebuild a database that has the guide's three tables and none of the kit's; one that is the kit's stays as it is.

    Rows, their ids and their order stay; the counts are counted and the search index is made anew, whatever state the
    former one is in. Other tables and views stay untouched. What goes (constraints, indexes, triggers, the records of
    foreign migrations) stands in `migration_runs.summary`, in a run of the kind `adoption`.

    Raises: DatabaseLocked, when another program has it open; DatabaseRefused, when something in it would not survive;
            DiskFull
    Rule:   in one transaction: whatever stops it, nothing was touched
    """
    path = Path(path)
    if others := database.holders(path):
        problem = f"its tables are to be rebuilt, and others have it open ({'; '.join(others)})"
        raise DatabaseLocked(path, problem, "Close the editor and run this again; nothing was written")
    with closing(database.open_existing(path, timeout=timeout)) as connection, database.driver_errors(path):
        # all three before the transaction, where they would be ignored; with foreign keys on, a drop cascades
        connection.execute("pragma foreign_keys = off")
        connection.execute("pragma locking_mode = exclusive")
        connection.text_factory = _text
        with database.transaction(connection):
            state = database.classify(connection)
            if state.kind == "guide":
                _adopt(connection, path)
            elif state.kind != "ours":
                raise DatabaseRefused(path, state.reason, "Look at ait42_home, or move the file away")


def _text(stored: bytes) -> str | bytes:
    """What is stored as text and is none stays bytes, and is refused like a BLOB."""
    try:
        return stored.decode()
    except UnicodeDecodeError:
        return stored


def _adopt(connection: sqlite3.Connection, path: Path) -> None:
    started_at, run_id = now(), new_run_id()
    schema = _rows(connection, "former_schema")
    recorded = any(row["name"] == "_sqlx_migrations" for row in schema)
    former = {"schema": schema, "migrations": _rows(connection, "former_migrations") if recorded else []}
    search_indexes = connection.execute(sql("adopt/search_indexes")).fetchall()
    _require_own_triggers(path, schema, {name for _, name, _ in search_indexes})
    for search_index, _, drop_statement in search_indexes:
        try:
            connection.execute(drop_statement)
        except sqlite3.DatabaseError:
            _forget(connection, search_index)
    database.run_script(connection, sql("adopt/set_aside"))
    database.apply_migrations(connection)
    triggers, indexes = database.drop_triggers(connection), database.drop_indexes(connection)
    for table in TABLES:
        _refill(connection, path, table)
    database.run_statements(connection, indexes)
    database.fill_counts(connection)
    database.fill_search(connection)
    database.run_statements(connection, triggers)
    _require_references(connection, path)
    summary = {"outcome": "ok", "dry_run": False, "run_id": run_id, "kit_version": __version__, "errors": []}
    connection.execute(
        sql("publish/insert_run"),
        {
            "run_id": run_id,
            "kind": "adoption",
            "started_at": started_at,
            "kit_version": __version__,
            "outcome": "ok",
            "summary": json.dumps(summary | {"former": former}, default=bytes.hex),
        },
    )


def _rows(connection: sqlite3.Connection, query: str) -> list[dict[str, object]]:
    cursor = connection.execute(sql(f"adopt/{query}"))
    return [dict(zip((column for column, *_ in cursor.description), row, strict=True)) for row in cursor]


def _require_own_triggers(path: Path, schema: list[dict[str, object]], search_indexes: set[str]) -> None:
    """A trigger of these tables goes with them. One that keeps another table up to date would be missed.

    Raises: DatabaseRefused, naming both
    """
    tables = {row["name"] for row in schema if row["type"] == "table"}
    others = {table for table in tables - search_indexes if table.lower() not in (*TABLES, "_sqlx_migrations")}
    for trigger in schema:
        if trigger["type"] == "trigger" and trigger["table"].lower() in TABLES:
            for table in sorted(others):
                if re.search(rf"\b{re.escape(table)}\b", trigger["statement"], re.IGNORECASE):
                    problem = f"its trigger {trigger['name']} uses a table {table}, which ait42nb does not know"
                    raise DatabaseRefused(path, problem, "Drop the trigger, or move the database away")


def _forget(connection: sqlite3.Connection, search_index: str) -> None:
    """SQLite cannot drop an index whose tokenizer is missing here, or that a newer version made."""
    connection.execute("pragma writable_schema = on")
    connection.execute(sql("adopt/forget_search_index"), {"name": search_index})
    connection.execute("pragma writable_schema = reset")


def _refill(connection: sqlite3.Connection, path: Path, table: str) -> None:
    """Store the rows that were set aside, every value as it was; an absent column is NULL, or the schema's default.

    Raises: DatabaseRefused, naming the column, or the row, that the schema does not take
    """
    known = connection.execute(sql("adopt/columns"), {"table": table})
    columns = {column: (kind, needed) for column, kind, needed in known}
    insert = sql(f"adopt/insert_{table}")
    # closed even after an error: a cursor that is still open keeps its connection open, with all its locks
    with closing(connection.execute(sql(f"adopt/former_{table}"))) as rows:
        names = [column.lower() for column, *_ in rows.description]
        for column in names:
            if column not in columns and column not in COUNTS:
                problem = f"its table {table} has a column {column}, which ait42nb does not know"
                raise DatabaseRefused(path, problem, "Drop the column, or move the database away")
        for row in rows:
            values = dict.fromkeys(columns) | dict(zip(names, row, strict=True))
            problem = next((p for c, known in columns.items() if (p := _problem(c, values[c], *known))), "")
            try:
                if not problem:
                    connection.execute(insert, values)
            except sqlite3.IntegrityError as error:
                problem = f"it is not accepted: {error}"
            if problem:
                where = f"{path}, {table} {values['id']!r}"
                raise DatabaseRefused(where, problem, "Correct it with sqlite3, or move the database away")


def _problem(column: str, value: object, kind: str, needed: bool) -> str:
    """Why a value cannot be kept as it is, if it cannot; SQLite itself would keep, or convert, nearly everything."""
    if value is None:
        return f"its {column} is NULL" if needed else ""
    if kind == "TEXT" and not isinstance(value, str):
        return f"its {column} is no text"
    if kind == "INTEGER" and not isinstance(value, int):
        return f"its {column} is no whole number"
    return ""


def _require_references(connection: sqlite3.Connection, path: Path) -> None:
    """Raises: DatabaseRefused, when rows refer to others that are not there; foreign keys were off for so long"""
    for table in TABLES:
        if broken := connection.execute(sql("adopt/broken_references"), {"table": table}).fetchone():
            problem = "{}: {} rows refer to {} that are not there".format(*broken)
            raise DatabaseRefused(path, problem, "Delete or correct them with sqlite3")
