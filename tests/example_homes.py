"""The folders of tests/examples: each a small home, and what must come of it, written by hand from the rules.

An `expected.json` says only what matters: rows with some of their columns, sessions in the order of the files, lists in
their own. What it does not name (rejects, residue, warnings, rows) must not be there. `at` is a file and a pointer into
it; `why` is everything that is wrong, the reason first.
"""

from __future__ import annotations

import json
import runpy
import shutil
import sqlite3
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path

import oracle

FOLDER = Path(__file__).parent / "examples"

QUERIES = {
    "sessions": """
        select s.*, source_path from sessions s join migration_ledger on session_id = s.id order by s.rowid""",
    "instances": """
        select i.*, source_path from instances i join sessions s on s.id = i.session_id
        join migration_ledger using (session_id) order by s.rowid, i.id""",
    "messages": """
        select m.*, i.instance_id as instance, source_path from chat_messages m join sessions s on s.id = m.session_id
        left join instances i on i.id = instance_id_ref join migration_ledger l on l.session_id = m.session_id
        order by s.rowid, m.rowid""",
    "rejects": "select * from migration_rejects",
    "residue": """
        select r.*, source_path from migration_residue r join migration_ledger using (session_id)
        order by entity, r.session_id, r.key""",
    "files": "select * from migration_files order by source_path",
}


class Example:
    """One folder: `home/`, `expected.json`, and a `make.py` for what git cannot hold."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.name = folder, folder.name
        self.expected = json.loads((folder / "expected.json").read_text(encoding="utf-8"))
        self.parameters = self.expected.get("parameters", {})

    def lay_out(self, home: Path) -> list[str]:
        """Put the example into a home, beside what is there; returns the source paths that it has added."""
        (home / "sessions").mkdir(parents=True, exist_ok=True)
        before = set((home / "sessions").iterdir())
        for file in (self.folder / "home").glob("sessions/*"):
            shutil.copy(file, home / "sessions")
        mapping, ours = home / "workspace_mapping.json", self.folder / "home" / "workspace_mapping.json"
        if ours.exists():
            known = json.loads(mapping.read_text(encoding="utf-8")) if mapping.exists() else {}
            mapping.write_text(json.dumps(known | json.loads(ours.read_text(encoding="utf-8"))), encoding="utf-8")
        if (self.folder / "make.py").exists():
            runpy.run_path(str(self.folder / "make.py"))["make"](home)
        added = set((home / "sessions").iterdir()) - before
        return sorted(f"sessions/{path.name}" for path in added if path.name.endswith(".json"))

    def wanted(self) -> dict[str, object]:
        """The expectation in the form of `found`."""
        expected = self.expected
        return {
            "sessions": expected.get("sessions", []),
            "instances": expected.get("instances", []),
            "messages": expected.get("messages", []),
            "rejects": sorted(
                ({"key": None, "instances": 0, "messages": 0} | reject for reject in expected.get("rejects", [])),
                key=lambda reject: reject["at"],
            ),
            "residue": [[*row[:3], _canonical(row[3])] for row in expected.get("residue", [])],
            "books": expected["books"],
        }

    def found(self, database: Path, files: Iterable[str]) -> dict[str, object]:
        """What a database holds of these files, in the form of the expectation."""
        tables = _tables(database, set(files))
        wanted = self.wanted()
        rows = {name: list(_seen(wanted[name], tables[name])) for name in ("sessions", "instances", "messages")}
        documents = {tuple(row[:3]): row[3] for row in wanted["residue"]}
        residue = [
            [*key, _like(documents.get(key), _canonical(row["document"]))]
            for row in tables["residue"]
            for key in [(row["entity"], row["session_id"], row["key"])]
        ]
        return rows | {
            "rejects": sorted(map(_reject, tables["rejects"]), key=lambda reject: reject["at"]),
            "residue": residue,
            "books": books(json.loads(row["balance"]) for row in tables["files"] if row["balance"]),
        }

    def states(self, files: Iterable[str]) -> dict[str, str]:
        """The state that each file must have: read, if the expectation names none."""
        return dict.fromkeys(files, "read") | {f"sessions/{k}": v for k, v in self.expected.get("files", {}).items()}


def examples() -> list[Example]:
    return [Example(path.parent) for path in sorted(FOLDER.glob("*/expected.json"))]


def lay_out_all(home: Path) -> dict[str, list[str]]:
    """All examples as one home; returns the files of each."""
    return {example.name: example.lay_out(home) for example in examples()}


def parameters_of_all() -> dict[str, object]:
    lists = [e.parameters.get("accept_hash_mismatch", []) for e in examples()]
    return {"accept_hash_mismatch": [hash_ for listed in lists for hash_ in listed]}


def books(balances: Iterable[dict[str, dict[str, int]]]) -> list[str]:
    """The books as sentences: '2 sessions = 1 inserted + 1 held'."""
    total = {kind: Counter() for kind in ("sessions", "instances", "messages")}
    for balance in balances:
        for kind, row in balance.items():
            total[kind].update(row)
    return [_sentence(kind, row) for kind, row in total.items()]


def _sentence(kind: str, row: Counter[str]) -> str:
    places = ("inserted", "updated", "unchanged", "database_newer", "shadowed", "held")
    sums = " + ".join(f"{row[place]} {place}" for place in places if row[place])
    return f"{row['source']} {kind} = {sums}" if sums else f"{row['source']} {kind}"


def _tables(database: Path, files: set[str]) -> dict[str, list[dict[str, object]]]:
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
        connection.row_factory = sqlite3.Row
        return {
            name: [dict(row) for row in connection.execute(query) if row["source_path"] in files]
            for name, query in QUERIES.items()
        }


def _seen(wanted: list[dict], rows: list[dict]) -> Iterator[dict]:
    """Of each row the columns that the expectation names; of a row too many all."""
    for number, row in enumerate(rows):
        named = wanted[number] if number < len(wanted) else row
        yield {column: _like(named[column], row.get(column)) for column in named}


def _like(wanted: object, value: object) -> object:
    """A long text as the expectation gives it: how it begins and ends, and how many characters it has."""
    if not isinstance(wanted, dict) or not isinstance(value, str):
        return value
    begins, ends = len(wanted["begins"]), len(wanted["ends"])
    return {"begins": value[:begins], "ends": value[-ends:], "characters": len(value)}


def _canonical(document: object) -> object:
    return oracle.canonical_text(document) if isinstance(document, str) else document


def _reject(row: dict) -> dict[str, object]:
    why = [f"{told['reason']} {told['pointer']}".strip() for told in json.loads(row["detail"])]
    assert why[0].split()[0] == row["reason"]
    return {
        "at": row["source_path"].removeprefix("sessions/") + row["pointer"],
        "key": row["key"],
        "instances": row["instances"],
        "messages": row["messages"],
        "why": why,
    }
