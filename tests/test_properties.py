"""What must hold of every home, whatever stands in its files: hypothesis makes them up, the oracle says what comes out.

A run takes most of a second, so the quick suite tries a few dozen homes with many records each. Before a release, or
after a change to reading and checking, try thousands: PROPERTY_EXAMPLES=3000 pytest tests/test_properties.py
"""

from __future__ import annotations

import json
import os
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb
import oracle
import pytest
import strategies
from conftest import Home
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ait42nb import engine, pipeline, scan
from ait42nb.export import export_json
from ait42nb.summary import summarize

HOMES = int(os.environ.get("PROPERTY_EXAMPLES", "20"))
TEXTS = 50 * HOMES

slow = settings(max_examples=HOMES, deadline=None, suppress_health_check=list(HealthCheck), print_blob=True)
quick = settings(max_examples=TEXTS, deadline=None, suppress_health_check=list(HealthCheck), print_blob=True)


@contextmanager
def laid_out(text: strategies.HomeText) -> Iterator[Home]:
    """A made-up home on the disk, for as long as it is looked at."""
    with tempfile.TemporaryDirectory() as folder:
        home = Home(Path(folder) / "home")
        for name, content in text.files.items():
            home.put(name, content)
        (home.path / "workspace_mapping.json").write_text(json.dumps(text.mapping))
        yield home


def migrated(home: Home, **parameters: object) -> dict[str, object]:
    """A run's summary; whatever stands in the files, a run succeeds."""
    run: pipeline.Run = home.run(**parameters)
    assert run.failure is None
    return summarize(run)


TABLES = (
    "sessions", "instances", "chat_messages", "migration_files", "migration_ledger", "migration_rejects",
    "migration_residue",
)  # fmt: skip


def content(home: Home) -> dict[str, list[tuple]]:
    """Every row with its number, but for what tells one run from another."""
    found = {}
    for table in TABLES:
        columns = [name for _, name, *_ in home.rows(f"pragma table_info({table})") if name != "run_id"]
        found[table] = home.rows(f"select rowid, {', '.join(columns)} from {table} order by rowid")  # noqa: S608, names of ours
    return found


# ── Whole homes ──────────────────────────────────────────────────────────────────────────────────────────────────────


@slow
@given(strategies.homes())
def test_nothing_is_lost(text):
    """All is stored or held as the rules say, the summary says so, and it comes back (invariants 1 to 3, 7, 10)."""
    with laid_out(text) as home:
        summary = migrated(home)

        expected = oracle.expect(home.path)
        oracle.check(home.path, home.database)
        assert summary["balance"] == expected.balance | {"files": expected.files}
        assert summary["warnings"] == dict(expected.warnings)
        assert summary["rejects"] == Counter(row["reason"] for row in expected.rejects.values())
        assert summary["outcome"] == ("held" if set(summary["rejects"]) - set(oracle.STANDS_ASIDE) else "ok")
        assert summary["validation"]["is_valid"]
        values = 18 * len(expected.sessions) + 14 * len(expected.instances) + 4 * len(expected.messages)
        assert summary["validation"]["values_compared"] == values
        export_json(home.database, home.path.parent / "out")
        assert oracle.compare_export(home.path, home.path.parent / "out") == []


@settings(slow, max_examples=max(HOMES // 3, 1))
@given(strategies.homes())
def test_again_is_nothing(text):
    """A second run changes no row, and says so (invariant 8)."""
    with laid_out(text) as home:
        migrated(home)
        first = content(home)

        books = migrated(home)["balance"]

        assert content(home) == first
        assert all(books[kind]["inserted"] == books[kind]["updated"] == 0 for kind in oracle.ENTITIES)


@settings(slow, max_examples=max(HOMES // 3, 1))
@given(strategies.homes())
def test_a_dry_run_tells_what_will_happen(text):
    """It reports what the real run does, and writes nothing (invariant 4)."""
    with laid_out(text) as home:
        before = snapshot(home.path)

        dry = migrated(home, dry_run=True)

        assert snapshot(home.path) == before
        real = migrated(home)
        for part in ("outcome", "balance", "rejects", "warnings", "validation", "stats"):
            assert dry[part] == real[part]


def snapshot(folder: Path) -> dict[str, tuple]:
    """Every file below a folder: its bytes, and when it was changed."""
    return {
        str(path.relative_to(folder)): (path.stat().st_mtime_ns, path.is_file() and path.read_bytes())
        for path in sorted([folder, *folder.rglob("*")])
    }


@settings(slow, max_examples=max(HOMES // 3, 1))
@given(strategies.homes())
def test_the_same_home_gives_the_same_database(text):
    """Row for row, in the same order."""
    with laid_out(text) as home:
        migrated(home)
        first = content(home)
        home.forget()

        migrated(home)

        assert content(home) == first


# ── Its parts, on texts alone ────────────────────────────────────────────────────────────────────────────────────────


@quick
@given(strategies.file_texts("/srv/app"))
def test_cutting_finds_what_the_rules_say(content):
    """Every element of an array, whole or broken, and the same ones where the array itself breaks off."""
    text = content.decode("utf-8", "replace").removeprefix("\ufeff")
    content = text.encode()
    if not text[oracle.after_blanks(text, 0) :].startswith("["):
        return

    cutter = scan.Cutter(content, scan.first_byte(content))
    elements = [content[begin:end].decode() for begin, end in cutter]

    expected = [element for element, _ in oracle.cut_elements(text)]
    assert elements == expected
    assert [scan.is_json(element) for element in elements] == [oracle.is_json(element) for element in expected]
    assert (cutter.whole and all(map(scan.is_json, elements))) == oracle.is_json(text)


@quick
@given(st.lists(strategies.values, min_size=1, max_size=6), st.integers(1, 2**32), st.integers(1, 2**32))
def test_equal_values_have_one_form(values, seed, other):
    """However a value is laid out, its canonical form is one; and two forms are equal only if the values are."""
    value = strategies.Members((str(number % 3), value) for number, value in enumerate(values))
    one, two = strategies.Writer(seed).write(value), strategies.Writer(other).write(value)

    assert scan.canonical(one) == scan.canonical(two)
    for left in values:
        for right in values:
            texts = [strategies.Writer(seed).write({"a": each}) for each in (left, right)]
            same = len({oracle.canonical(oracle.value_at(text, 0)[0].without_nulls()) for text in texts}) == 1
            assert (scan.canonical(texts[0]) == scan.canonical(texts[1])) == same


@pytest.fixture(scope="module")
def macros() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as connection:
        connection.execute(engine.sql("engine/macros"))
        yield connection


@quick
@given(st.lists(strategies.moments | strategies.broken_moments(), min_size=2, max_size=8))
def test_instants_compare_as_the_rules_say(macros, moments):
    """What is RFC 3339, and which of two times is later (A5)."""
    query = """
        select moment, is_rfc3339(moment), dense_rank() over (order by instant(moment))
        from (select unnest($1) as moment)"""
    found = {moment: (valid, rank) for moment, valid, rank in macros.execute(query, [moments]).fetchall()}

    for one in moments:
        assert found[one][0] == (oracle.instant(one) is not None)
        for two in moments:
            if oracle.instant(one) and oracle.instant(two):
                assert (found[one][1] < found[two][1]) == (oracle.instant(one) < oracle.instant(two))
