"""The private staging database: everything that is to be published, in the schema in which it will be read."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from ait42nb import database
from ait42nb import engine as duck
from ait42nb.check import RULES
from ait42nb.display import Progress
from ait42nb.inventory import File, Inventory
from ait42nb.mapping import Mapped
from ait42nb.originals import Originals
from ait42nb.read import Documents
from ait42nb.recall import Recalled

if TYPE_CHECKING:
    from ait42nb.pipeline import Run

# What the text of a file may take in migration_rejects; the file itself is never touched.
LARGEST_DOCUMENT = 64 << 20

# Why a file or a whole record is not in the main tables, in plain words. What single values break is in the rules.
WORDS = {
    "malformed": "the text is no JSON",
    "not_an_array": "the text is JSON, but no array of sessions",
    "invalid_utf8": "the text is not UTF-8",
    "unreadable": "the file cannot be read",
    "unstable": "the file was being written each time that it was read",
    "unmapped_workspace": "nobody knows which folder this file belongs to",
    "hash_mismatch": "the folder that was given for this file has another hash",
    "shadowed_duplicate": "an earlier element of this file has the same id; it is the live one",
    "superseded": "another file has a newer session of the same id",
    "conflict": "both stores changed one value; this is the version that lost it",
    "deleted_in_database": "a person deleted it from the database, and it has not changed in JSON since",
}


# Reasons of records in whose place another version of the same session stands, or that a person did not want.
ASIDE = ("shadowed_duplicate", "superseded", "conflict", "deleted_in_database")


class Reject(NamedTuple):
    """A file or a record that is not in the main tables; `stored` says where the session of its id is that is."""

    source_path: str
    pointer: str
    entity: str
    key: str | None
    reason: str
    detail: str
    instances: int
    messages: int
    stored: str | None

    def __str__(self) -> str:
        return f"{self.source_path}{self.pointer and f' {self.pointer}'}: {self.reason}"


@dataclass(frozen=True)
class Staged:
    """The staging file, how many rows it got, what did not go into the main tables, and the text of every record."""

    path: Path
    sessions: int
    instances: int
    messages: int
    rejects: tuple[Reject, ...]
    originals: Originals

    @cached_property
    def held(self) -> tuple[Reject, ...]:
        """What a person should look at."""
        return tuple(one for one in self.rejects if one.reason not in ASIDE)


def stage_database(run: Run) -> Staged:
    """Complete the staging file: the messages that landed are settled; DuckDB writes the rest of the main tables in
    bulk; then come the rejects, indexes, search, triggers and the ledger.

    Reads:   everything that `resolve_records` made
    Makes:   {work}/staging.db, complete but for the books and the end of the run
    Raises:  DiskFull, when there is no room for it
    Rule:    text is stored exactly as it is; within a session rowids follow the order of its lists
    """
    landing = run.get(Documents).landing
    originals = Originals(run.get(Inventory).files, run.get(Documents).aside)
    (counts,) = duck.rows(run.engine, "stage/counts")
    # The ledger is worked out beside the writing: SQLite writes on one core.
    with run.progress("Staging", sum(counts), "rows") as progress, ThreadPoolExecutor(1) as beside:
        ledger = beside.submit(_make_ledger, run.engine.cursor(), landing.parts, run.run_id)
        landing.settle(run.engine)
        progress.step(counts[2])
        _fill(run, landing.path, progress)
        progress.step(0, now="indexes and search")
        with closing(database.open_staging(landing.path)) as connection, database.driver_errors(landing.path):
            connection.execute("begin")
            _write_rejects(run, connection, originals)
            connection.execute("commit")
            database.run_statements(connection, landing.indexes)
            database.fill_search(connection)
            database.run_statements(connection, landing.triggers)
        ledger.result()
    with duck.attached(run.engine, landing.path, "staging", writable=True):
        duck.append(run.engine, "staging.migration_ledger", "stage/migration_ledger")
    with closing(database.open_staging(landing.path)) as connection, database.driver_errors(landing.path):
        rejects = read_rejects(connection) + _rejects_on_record(run)
    return Staged(landing.path, *counts, rejects, originals)


def _rejects_on_record(run: Run) -> tuple[Reject, ...]:
    """What earlier runs kept of the files that are not read again."""
    unchanged = {file.source_path for file in run.get(Inventory).unchanged}
    recalled = run.results.get(Recalled, Recalled())
    return tuple(reject for row in recalled.rejects if (reject := Reject(*row)).source_path in unchanged)


def read_rejects(connection: sqlite3.Connection) -> tuple[Reject, ...]:
    """Everything that is not in the main tables, with all that is wrong with it, but without its text."""
    return tuple(Reject(*row) for row in connection.execute(duck.sql("stage/kept")))


def _fill(run: Run, path: Path, progress: Progress) -> None:
    """Fill the other tables that DuckDB writes."""
    duck.make(run.engine, "stage/message_residue")
    with duck.attached(run.engine, path, "staging", writable=True):
        for table in ("sessions", "instances"):
            progress.step(duck.append(run.engine, f"staging.{table}", f"stage/{table}"))
        duck.append(run.engine, "staging.migration_residue", "stage/migration_residue")


def _make_ledger(engine: duck.Engine, parts: Sequence[str], run_id: str) -> None:
    with closing(engine):
        duck.make(engine, "stage/ledger_heads")
        duck.run(engine, "stage/ledger")
        for part, messages in enumerate(parts):
            duck.append(engine, "ledger", "stage/add_ledger", part=part, messages=messages, run_id=run_id)


def _write_rejects(run: Run, connection: sqlite3.Connection, originals: Originals) -> None:
    """Everything that is not in the main tables, whole."""
    duck.make(run.engine, "stage/rejects", rules=list(RULES), codes=list(WORDS), words=list(WORDS.values()))
    insert = duck.sql("stage/insert_reject")
    for row in rejected_files(run):
        connection.execute(insert, row | {"run_id": run.run_id})
    found = run.engine.table("rejects")
    for file_no, ordinal, *values in found.fetchall():
        row = dict(zip(found.columns[2:], values, strict=True)) | {"entity": "session", "run_id": run.run_id}
        connection.execute(insert, row | {"document": originals[file_no, ordinal], "document_bytes": None})


def rejected_files(run: Run) -> Iterator[dict[str, object]]:
    """One row a file that cannot be read, is no array of sessions, or may not go in; with every reason for it."""
    mapped, readings = run.get(Mapped), run.get(Documents).readings
    for file in run.get(Inventory).files:
        reasons = []
        if file.state in ("unreadable", "unstable"):
            reasons.append((file.state, file.detail))
        elif file.state == "read":
            reading, workspace = readings[file.file_no], mapped[file.workspace_hash]
            reasons += [(reading.state, reading.detail)] * (reading.state != "read")
            reasons += [(workspace.state, None)] * (workspace.state != "mapped")
        if not reasons:
            continue
        document, document_bytes = _whole(file, reasons[0][0])
        told = [
            {
                "reason": reason,
                "entity": "file",
                "pointer": "",
                "detail": WORDS[reason] + (f": {detail}" if detail else ""),
            }
            for reason, detail in reasons
        ]
        yield {
            "source_path": file.source_path,
            "pointer": "",
            "entity": "file",
            "key": None,
            "reason": reasons[0][0],
            "detail": json.dumps(told),
            "instances": 0,
            "messages": 0,
            "document": document,
            "document_bytes": document_bytes,
        }


def _whole(file: File, reason: str) -> tuple[str | None, bytes | None]:
    """The text of a file that is no array of records, or its bytes where they are no text."""
    if reason not in ("malformed", "not_an_array", "invalid_utf8") or file.size_bytes > LARGEST_DOCUMENT:
        return None, None
    content = file.copy.read_bytes()
    return (None, content) if reason == "invalid_utf8" else (content.decode(), None)
