"""The guide's queries, connection first. Rows are dataclasses with the columns' names, so they can be written back."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

from ait42nb.database import database_path, driver_errors
from ait42nb.engine import sql
from ait42nb.errors import DatabaseRefused


@dataclass(frozen=True)
class SessionRow:
    """A row of `sessions`. The two counts are the database's own: they are read, never written."""

    id: str
    workspace_path: str
    type: str
    task: str
    status: str
    created_at: str
    updated_at: str
    completed_at: str | None = None
    model: str | None = None
    timeout_seconds: int | None = None
    preserve_worktrees: int = 0
    winner_id: int | None = None
    runtime_mix: str | None = None
    total_duration: int | None = None
    total_files_changed: int | None = None
    total_lines_added: int | None = None
    total_lines_deleted: int | None = None
    instance_count: int = 0
    message_count: int = 0


@dataclass(frozen=True)
class InstanceRow:
    """A row of `instances`. `id` is the database's own: it is read, never written (the guide gives 0)."""

    id: int
    session_id: str
    instance_id: int
    worktree_path: str
    branch: str
    agent_name: str
    status: str
    tmux_session_id: str
    output: str | None = None
    start_time: str | None = None
    end_time: str | None = None
    files_changed: int | None = None
    lines_added: int | None = None
    lines_deleted: int | None = None
    runtime: str | None = None
    model: str | None = None
    runtime_label: str | None = None


@dataclass(frozen=True)
class ChatMessageRow:
    """A row of `chat_messages`. `instance_id_ref` is an `InstanceRow.id`, not the number within the session."""

    id: str
    session_id: str
    instance_id_ref: int | None
    role: str
    content: str
    timestamp: str


Row = TypeVar("Row", SessionRow, InstanceRow, ChatMessageRow)


def insert_session(connection: sqlite3.Connection, session: SessionRow) -> None:
    """Store a session, or bring every column of the stored one up to date.

    Raises: DatabaseRefused, when the schema does not take it (an unknown status); DatabaseLocked
    """
    _store(connection, "insert_session", f"session {session.id!r}", session)


def insert_instance(connection: sqlite3.Connection, instance: InstanceRow) -> None:
    """Store an instance, or bring every column of the one with its session and number up to date.

    Raises: DatabaseRefused, when its session is not there; DatabaseLocked
    """
    _store(connection, "insert_instance", f"instance {instance.instance_id} of {instance.session_id!r}", instance)


def insert_chat_message(connection: sqlite3.Connection, message: ChatMessageRow) -> None:
    """Store a message, or bring every column of the stored one up to date.

    Raises: DatabaseRefused, when its id belongs to a message of another session, which stays as it is, or when its
            session or instance is not there; DatabaseLocked
    """
    what = f"message {message.id!r}"
    if _store(connection, "insert_chat_message", what, message) == 0:
        (owner,) = connection.execute(sql("queries/get_session_of_message"), {"id": message.id}).fetchone()
        if owner != message.session_id:
            raise DatabaseRefused(
                f"{database_path(connection)}, {what}",
                f"session {owner!r} has a message of this id",
                f"Store it as {f'{message.id}@{message.session_id}'!r}",
            )


def insert_chat_messages(connection: sqlite3.Connection, messages: Sequence[ChatMessageRow]) -> None:
    """Store messages as `insert_chat_message` does, many at once; one whose id belongs to another session is left out.

    Raises: DatabaseRefused, naming the message whose session or instance is not there; DatabaseLocked
    """
    last: list[str] = [""]

    def rows() -> Iterator[dict[str, object]]:
        for message in messages:
            last[0] = message.id
            yield vars(message)

    with _refusals(connection, lambda: f"message {last[0]!r}"):
        # Of stored messages mostly the text has changed, and without the indexes that takes a quarter of the time.
        reworded = connection.executemany(sql("queries/reword_chat_message"), rows()).rowcount
        if reworded < len(messages):
            connection.executemany(sql("queries/insert_chat_message"), rows())


def get_sessions_by_workspace(connection: sqlite3.Connection, workspace_path: str) -> list[SessionRow]:
    """A workspace's sessions, the newest first."""
    return _fetch(connection, "get_sessions_by_workspace", SessionRow, workspace_path=workspace_path)


def get_instances_by_session(connection: sqlite3.Connection, session_id: str) -> list[InstanceRow]:
    """A session's instances by their number."""
    return _fetch(connection, "get_instances_by_session", InstanceRow, session_id=session_id)


def get_chat_messages_by_session(connection: sqlite3.Connection, session_id: str) -> list[ChatMessageRow]:
    """A session's messages by time; those of one time in the order in which they were written."""
    return _fetch(connection, "get_chat_messages_by_session", ChatMessageRow, session_id=session_id)


def search_sessions(connection: sqlite3.Connection, workspace_path: str, query: str) -> list[SessionRow]:
    """A workspace's sessions in which the query's words occur, the newest first.

    Blanks part the words. Every word must occur somewhere in the session, in the task or in any message, also inside
    other words, as in Japanese. No character has a meaning of its own. Case does not count for A to Z, nor in tasks,
    for words of three characters or more, for any other letter. A blank query finds nothing.
    """
    words = query.replace("\0", " ").split()
    if not words:
        return []
    parameters = {"workspace_path": workspace_path, "words": json.dumps(words, ensure_ascii=False)}
    return _fetch(connection, "search_sessions", SessionRow, **parameters)


def _store(connection: sqlite3.Connection, statement: str, what: str, row: Row) -> int:
    """Returns: how many rows were written, 0 or 1"""
    with _refusals(connection, lambda: what):
        return connection.execute(sql(f"queries/{statement}"), vars(row)).rowcount


@contextmanager
def _refusals(connection: sqlite3.Connection, what: Callable[[], str]) -> Iterator[None]:
    """Turn what a row is refused with into the one family of errors; `what` names the row."""
    try:
        yield
    except sqlite3.Error:
        with driver_errors(database_path(connection), what()):
            raise
    except UnicodeEncodeError as error:
        problem = "it holds half a surrogate pair, which is no text"
        raise DatabaseRefused(f"{database_path(connection)}, {what()}", problem, "Correct the record") from error
    except OverflowError as error:
        problem = "it holds a number of over 64 bits"
        raise DatabaseRefused(f"{database_path(connection)}, {what()}", problem, "Correct the record") from error


def _fetch(connection: sqlite3.Connection, query: str, row_type: type[Row], **parameters: str) -> list[Row]:
    try:
        with driver_errors(database_path(connection)):
            return [row_type(*row) for row in connection.execute(sql(f"queries/{query}"), parameters)]
    except UnicodeEncodeError:
        return []  # no stored text can be equal to half of a surrogate pair
