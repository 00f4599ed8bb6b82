"""Every anomaly, reason and warning as a small home: each alone, all together, and by both ways of reading."""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from contextlib import closing
from pathlib import Path

import oracle
import pytest
from example_homes import Example, books, examples, lay_out_all, parameters_of_all
from snapshots import content

from ait42nb import pipeline, read, samples
from ait42nb.report import WARNINGS
from ait42nb.stage import WORDS
from ait42nb.summary import summarize

EXAMPLES = examples()
# Reasons that need time, or a database, to come about: see test_inventory and the tests of the merge.
LATER = {"unstable", "conflict", "deleted_in_database"}


def migrate(home: Path, **parameters: object) -> dict[str, object]:
    run = pipeline.migrate(ait42_home=str(home), dry_run=False, backup=False, **parameters)
    if run.failure:
        raise run.failure
    return summarize(run)


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.name)
def test_example(example: Example, tmp_path: Path):
    """A small home comes out as its expectation says, and as the oracle says."""
    home = tmp_path / "home"
    files = example.lay_out(home)

    summary = migrate(home, **example.parameters)

    database = home / "sessions.db"
    assert example.found(database, files) == example.wanted()
    assert states(database) == example.states(files)
    assert summary["outcome"] == example.expected["outcome"]
    assert summary["warnings"] == example.expected.get("warnings", {})
    assert books([{k: v for k, v in summary["balance"].items() if k != "files"}]) == example.expected["books"]
    oracle.check(home, database, accepted_hashes=example.parameters.get("accept_hash_mismatch", ()))


def test_every_anomaly_reason_and_warning_has_an_example():
    """A rule without an example is a rule that nobody sees."""
    anomalies = {example.name.split("_")[0] for example in EXAMPLES}
    reasons = {why.split()[0] for e in EXAMPLES for row in e.expected.get("rejects", []) for why in row["why"]}
    warnings = {reason for e in EXAMPLES for reason in e.expected.get("warnings", {})}

    assert {f"A{number:02}" for number in range(1, 14)} <= anomalies
    assert reasons == (set(WORDS) | set(oracle.REASONS)) - LATER
    assert warnings == set(WARNINGS) - {"older_json", "reinserted"}


@pytest.fixture(scope="module")
def together(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, list[str]], dict[str, object]]:
    """All examples as one home, migrated; the files of each, and the summary."""
    home = tmp_path_factory.mktemp("together") / "home"
    files = lay_out_all(home)
    return home, files, migrate(home, **parameters_of_all())


def test_together_nobody_drags_down_another(together):
    """In one home each example comes out as it does alone (invariant 7)."""
    home, files, summary = together
    for example in EXAMPLES:
        assert example.found(home / "sessions.db", files[example.name]) == example.wanted(), example.name
    warnings = sum((Counter(example.expected.get("warnings", {})) for example in EXAMPLES), Counter())
    assert summary["warnings"] == warnings
    assert summary["outcome"] == "held"


def test_both_ways_of_reading_agree(together, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """What bulk reading takes, looking at one record after the other takes as well, and makes the same of it."""
    home, _, summary = together
    other = tmp_path / "home"
    lay_out_all(other)
    monkeypatch.setattr(read._Reader, "_read_in_bulk", refuse)

    again = migrate(other, **parameters_of_all())

    assert content(other / "sessions.db") == content(home / "sessions.db")
    assert [again[key] for key in ("balance", "rejects", "warnings")] == [
        summary[key] for key in ("balance", "rejects", "warnings")
    ]


def test_both_ways_of_reading_agree_on_a_sample_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """The same for a home as the editor writes it."""
    for name in "bulk", "single":
        samples.write_home(tmp_path / name, files=3, sessions=40, broken=True)
    migrate(tmp_path / "bulk")
    monkeypatch.setattr(read._Reader, "_read_in_bulk", refuse)
    migrate(tmp_path / "single")

    assert content(tmp_path / "single" / "sessions.db") == content(tmp_path / "bulk" / "sessions.db")


def refuse(*_: object) -> None:
    raise read._Unreadable


def states(database: Path) -> dict[str, str]:
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
        return dict(connection.execute("select source_path, state from migration_files"))


def test_the_text_of_what_is_held_is_whole(together):
    """A held record's document is its element, a held file's its text: nothing is lost (invariant 1)."""
    home, _, _ = together
    with closing(sqlite3.connect(home / "sessions.db")) as connection:
        rows = connection.execute(
            "select source_path, pointer, document, document_bytes from migration_rejects where entity = 'session'"
            " or reason in ('malformed', 'not_an_array', 'invalid_utf8')"
        ).fetchall()
    assert rows
    for source_path, pointer, document, document_bytes in rows:
        source = (home / source_path).read_bytes()
        if pointer == "":
            assert (document_bytes if document is None else document.encode()) == source
        else:
            assert document.encode() in source
            if len(document) < 10_000 and is_json(source):
                assert json.loads(document) == json.loads(source)[int(pointer[1:])]


def is_json(source: bytes) -> bool:
    try:
        json.loads(source)
    except ValueError:
        return False
    return True
