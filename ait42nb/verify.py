"""The proof: every stored value compared with its source, and every record read back as the editor reads it.

What was read in bulk was proven while it was read: a record that does not give its own text again, when it is written
from the values that were read, is looked at one by one. What is stored must have those values. What was looked at one
by one is read again, with plain `json`; and every session in which something differs, from its file.
"""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import duckdb

from ait42nb import database, scan
from ait42nb import engine as duck
from ait42nb.check import IDENTITY, KEYS, LISTS, Lines, lines_of
from ait42nb.database import ValidationReport
from ait42nb.errors import VerificationFailed
from ait42nb.kept import compare_kept, residue_of
from ait42nb.read import Documents, read_again
from ait42nb.reconcile import Balance, balance, require_balance
from ait42nb.stage import Staged

if TYPE_CHECKING:
    from ait42nb.pipeline import Run

_TABLES = ("sessions", "instances", "messages")
# The values of a row that are compared: of a session, an instance, a message.
_VALUES = {"session": 18, "instance": 14, "message": 4}
_LARGEST_SHOWN = 20


def _snake(key: str) -> str:
    return "".join(f"_{c.lower()}" if c.isupper() else c for c in key)


_COLUMNS = {entity: {key: _snake(key) for key in keys if key not in LISTS} for entity, keys in KEYS.items()}


class Difference(NamedTuple):
    """A value that is stored otherwise than it stands in its source; `column` is * for a whole row."""

    entity: str
    session_id: str
    key: str
    column: str
    expected: object
    found: object

    def __str__(self) -> str:
        of = f" of session {self.session_id}" if self.session_id else ""
        return f"{self.entity} {self.key or self.session_id}{of}: {self.column}"


@dataclass(frozen=True)
class Verified:
    """The guide's validation report with the values compared, the books, and what the editor will see a workspace.

    `file` tells the staging file that was looked at from one that was written to since.
    """

    report: ValidationReport
    balance: Balance
    workspaces: tuple[tuple[str, int, int, int], ...]
    file: tuple[int, int, int]


def verify_database(run: Run) -> Verified:
    """Prove the staging file.

    Raises: VerificationFailed, naming the first differences, or what does not balance
    Rule:   every value is compared (invariant 10), the books balance (invariant 2)
    """
    staged = run.get(Staged)
    file = facts_of(staged.path)
    with ThreadPoolExecutor(1) as beside:
        pages = beside.submit(_examine_pages, staged.path)
        differences, compared = compare_values(run)
        books = balance(run)
        with closing(database.open_readonly(staged.path)) as connection:
            views = _editor_views(run, connection)
            (unreadable,) = connection.execute(duck.sql("verify/unreadable")).fetchone()
            report = database.validate(connection, pages=pages.result)
    report = replace(report, values_compared=compared, values_different=len(differences))
    where = run.home.database
    if differences:
        named = "; ".join(map(str, differences[:_LARGEST_SHOWN]))
        raise VerificationFailed(
            where, f"{len(differences)} values differ from their source: {named}", "Nothing was published; run again"
        )
    require_balance(books, where)
    if not report.is_valid:
        raise VerificationFailed(where, "the staged database is not valid", "Nothing was published; run again")
    if unreadable:
        problem = f"the editor would see {unreadable:,} rows that it cannot read"
        raise VerificationFailed(where, problem, "Nothing was published; please report this")
    for path, expected, found in views:
        if found != expected:
            raise VerificationFailed(
                f"workspace {path}",
                f"the editor would see {found} sessions, instances and messages instead of {expected}",
                "Nothing was published; run again",
            )
    return Verified(report, books, tuple((path, *expected) for path, expected, _ in views), file)


def facts_of(file: Path) -> tuple[int, int, int]:
    """What changes whenever a program writes to a file, or puts another in its place."""
    status = file.stat()
    return status.st_size, status.st_mtime_ns, status.st_ino


def _examine_pages(staged: Path) -> list[str]:
    """On one core, while the values are compared on the other."""
    with closing(database.open_readonly(staged)) as connection:
        return database.examine_pages(connection)


def compare_values(run: Run) -> tuple[list[Difference], int]:
    """Compare every value of the staging file with its source.

    Makes:   expected, stored: what each session holds, summed up; suspects: the sessions in which they differ
    Raises:  VerificationFailed, when a value's type is not its column's
    Returns: the differences, value by value, and how many values were compared
    """
    engine, staged = run.engine, run.get(Staged)
    duck.run(engine, "verify/expected")
    duck.make(engine, "verify/bulk")
    with run.progress("Verifying", staged.sessions + staged.instances + staged.messages, "rows") as progress:
        for table in _TABLES:
            duck.view(engine, f"verify/bulk_{table}")
        duck.make(engine, "verify/beyond")
        odd = _odd_records(run)
        for table in _TABLES:
            odd[table].load(engine, f"verify/odd_{table}")
        for kind in ("bulk", "odd"):
            duck.append(engine, "expected", "verify/expect", **{table: f"{kind}_{table}" for table in _TABLES})
            progress.step(sum(_compared(engine).values()) - progress.done)
        progress.step(0, now="comparing")
        with duck.attached(engine, staged.path, "staging"):
            for view in (*(f"stored_{table}" for table in _TABLES), "stored_rows"):
                duck.view(engine, f"verify/{view}")
            _sum_up_stored(run)
            found = list(_differences(run)) if duck.make(engine, "verify/suspects") else []
        found += [Difference(*each) for each in compare_kept(run)]
    return found, sum(_VALUES[entity] * rows for entity, rows in _compared(engine).items())


def _sum_up_stored(run: Run) -> None:
    try:
        duck.make(run.engine, "verify/stored")
    except duckdb.TypeMismatchException as error:
        raise VerificationFailed(
            run.home.database,
            "the editor would see values of a type that it cannot read",
            "Nothing was published; run again",
        ) from error


def _compared(engine: duck.Engine) -> dict[str, int]:
    """How many rows are expected up to now, by entity."""
    return dict(engine.execute("select entity, sum(row_count)::bigint from expected group by entity").fetchall())


def _sources(run: Run) -> Iterator[None]:
    """Let source_sessions, source_instances and source_messages show one batch after the other."""
    engine = run.engine
    for _ in read_again(engine, run.get(Documents)):
        for table in _TABLES:
            duck.view(engine, f"verify/source_{table}")
        yield
    for table in _TABLES:
        engine.execute(f"create or replace temp view source_{table} as from odd_{table}")
    yield


def _odd_records(run: Run) -> dict[str, Lines]:
    """The accepted records that were looked at one by one, read by plain `json`, and what the columns cannot say."""
    folder = run.work / "verify"
    folder.mkdir(mode=0o700, exist_ok=True)
    written = {table: Lines(folder / f"{table}.ndjson") for table in (*_TABLES, "residue")}
    paths = dict(run.engine.execute("select file_no, workspace_path from workspaces").fetchall())
    accepted = {
        (file_no, ordinal): session_id for file_no, ordinal, session_id, _ in run.engine.table("accepted").fetchall()
    }
    renamed = {
        tuple(row[:3]): row[3]
        for row in run.engine.execute("select file_no, ordinal, position, id from renamed_messages").fetchall()
    }
    for line in lines_of(run.get(Documents).aside):
        place = (line["file_no"], line["ordinal"])
        if place not in accepted:
            continue
        record, lists, orders = _plainly(line["document"])
        instances, messages = lists["instances"], lists["chatHistory"]
        numbers = {instance["instanceId"] for instance in instances}
        message_ids = [renamed.get((*place, position), message["id"]) for position, message in enumerate(messages)]
        written["sessions"].write(
            {
                **_columns(record, "session"),
                "session_id": record["id"],
                "workspace_path": paths[place[0]],
                "preserve_worktrees": int(record.get("preserveWorktrees") or False),
                "instance_count": len(instances),
                "message_count": len(messages),
            }
        )
        for position, instance in enumerate(instances):
            written["instances"].write(
                {**_columns(instance, "instance"), "session_id": record["id"], "position": position}
            )
        for position, message in enumerate(messages):
            written["messages"].write(
                {
                    **_columns(message, "message"),
                    "id": message_ids[position],
                    "session_id": record["id"],
                    "position": position,
                    "instance_id": message.get("instanceId") if message.get("instanceId") in numbers else None,
                }
            )
        for row in residue_of(line["document"], record, lists, orders, message_ids):
            written["residue"].write(row)
    written["residue"].close()
    return written


def _plainly(text: str) -> tuple[dict, dict[str, list[dict]], dict[str, list[int]]]:
    """A record; its lists, without the repeats of what stands in one already; where it has any, each one's place."""
    try:
        record = json.loads(text)
        lists = {key: record.get(key) or [] for key in LISTS}
        if all(len({each[IDENTITY[LISTS[key]]] for each in listed}) == len(listed) for key, listed in lists.items()):
            return record, lists, {}
    except (RecursionError, ValueError):
        pass  # what the format does not know may be nested deeper, or a number be longer, than Python reads
    raw = dict(scan.members(text))
    found = {key: _distinct(raw.get(key, "null"), entity) for key, entity in LISTS.items()}
    lists = {key: kept for key, (kept, _) in found.items()}
    orders = {key: order for key, (kept, order) in found.items() if len(order) > len(kept)}
    return _known(text, "session"), lists, orders


def _distinct(raw: str, entity: str) -> tuple[list[dict], list[int]]:
    kept: list[dict] = []
    order: list[int] = []
    places: dict[tuple[object, str], int] = {}
    for begin, end in scan.elements(raw) if raw != "null" else ():
        record, same = _known(raw[begin:end], entity), scan.canonical(raw[begin:end])
        place = places.setdefault((record[IDENTITY[entity]], same), len(kept))
        order.append(place)
        if place == len(kept):
            kept.append(record)
    return kept, order


def _known(text: str, entity: str) -> dict:
    """The members of an object; of those without a column only that they are there."""
    return {
        key: json.loads(value) if key in KEYS[entity] else None for key, value in scan.members(text) if key not in LISTS
    }


def _columns(record: dict, entity: str) -> dict[str, object]:
    return {column: _held(key, record.get(key)) for key, column in _COLUMNS[entity].items()}


def _held(key: str, value: object) -> object:
    """A value, or None where it is an integer beyond what the editor's reader holds."""
    largest = 2**63 - 1 if key == "totalDuration" else 2**31 - 1
    return None if isinstance(value, int) and value > largest else value


def _differences(run: Run) -> Iterator[Difference]:
    """The suspects' values, row by row and column by column."""
    engine = run.engine
    stored: dict[tuple[str, ...], dict[str, object]] = {}
    places: Counter[tuple[str, str]] = Counter()
    for entity, table in zip(_VALUES, _TABLES, strict=True):
        rows = _rows(engine, entity, f"stored_{table}")
        for key, row in sorted(rows, key=lambda found: found[1].get("row_id", 0)):
            stored[entity, *key] = row | {"position": places[entity, key[0]]}
            places[entity, key[0]] += 1
    seen = set()
    for _ in _sources(run):
        for entity, table in zip(_VALUES, _TABLES, strict=True):
            for key, expected in _rows(engine, entity, f"source_{table}"):
                name = (entity, *key)
                seen.add(name)
                found = stored.get(name)
                if found is None:
                    yield Difference(*name, "*", "a row", None)
                    continue
                columns = [c for c in expected if c not in ("position", "value_hash") and expected[c] != found[c]]
                for column in columns:
                    yield Difference(*name, column, expected[column], found[column])
                if not columns and expected.get("position", 0) != found["position"]:
                    yield Difference(*name, "order", expected["position"], found["position"])
    for name in stored.keys() - seen:
        yield Difference(*name, "*", None, "a row")


def _rows(engine: duck.Engine, entity: str, table: str) -> Iterator[tuple[tuple[str, str], dict[str, object]]]:
    """The rows of a table that belong to suspects, as dicts by (session_id, key)."""
    cursor = engine.execute(duck.sql(f"verify/suspect_{entity}"), {"table": table})
    names = [column[0] for column in cursor.description]
    for row in cursor.fetchall():
        values = dict(zip(names, row, strict=True))
        yield (values["session_id"], values.pop("_key")), values


def _editor_views(run: Run, connection: sqlite3.Connection) -> list[tuple[str, list[int], list[int]]]:
    """Ask for every workspace as the editor would.

    Returns: path, how many sessions, instances and messages are to be seen, and how many are seen
    """
    views = []
    for path, *expected in duck.rows(run.engine, "verify/expected_view"):
        found = connection.execute(duck.sql("verify/editor_view"), {"workspace_path": path}).fetchone()
        views.append((path, expected, list(found)))
    return views
