"""Reading in bulk, and what becomes of a file that cannot be: nobody is lost, nobody drags down another."""

from __future__ import annotations

import json

import duckdb
import pytest

from ait42nb import engine as duck
from ait42nb import pipeline, read
from ait42nb.check import Checked
from ait42nb.read import Documents
from ait42nb.samples import dumps, instance, message, session

APP = "/home/aki/app"


def documents(home, **parameters: object) -> tuple[Documents, Checked]:
    run = home.run(dry_run=True, **parameters)
    assert run.failure is None
    return run.get(Documents), run.get(Checked)


@pytest.mark.parametrize("failure", duck.NO_MEMORY)
@pytest.mark.parametrize(("files", "looked_at"), [(1, 0), (0, 4)], ids=["file by file", "record by record"])
def test_what_does_not_fit_into_memory_together_is_read_apart(
    home, monkeypatch, files: int, looked_at: int, failure: type[duckdb.Error]
):
    """A batch that is too large for memory_limit stops nobody: it is halved, and at last cut into records."""
    made = duck.make

    def make(engine, name: str, *names: str, **parameters: object) -> int:
        if name == "read/batch" and len(parameters["copies"]) > files:
            raise failure("failed to allocate")
        return made(engine, name, *names, **parameters)

    monkeypatch.setattr(duck, "make", make)
    for number in range(4):
        home.write(f"/home/aki/{number}", [session(id=f"s{number}")])
    found, checked = documents(home)
    assert (len(found.batches), checked.looked_at, checked.held) == (4 * files, looked_at, 0)


def test_what_the_editor_writes_is_read_in_bulk(home):
    """Nothing of it is looked at one by one."""
    chat = [message(id=f"m{n}", content="日本語 \u001b[0m \u0000") for n in range(3)]
    home.write(
        APP, [session(id=f"s{n}", instances=[instance()], chatHistory=chat if n == 0 else []) for n in range(20)]
    )
    found, checked = documents(home)
    assert (len(found.batches), checked.looked_at, checked.held) == (1, 0, 0)


def test_one_bad_file_leaves_the_others_in_bulk(home):
    """DuckDB fails a whole query for one file; only that file is read by itself."""
    for number in range(8):
        home.write(f"/home/aki/{number}", [session(id=f"s{number}")])
    home.write("/home/aki/bad", '[{"id": "torn"')
    found, checked = documents(home)
    assert sum(len(batch.copies) for batch in found.batches) == 8
    assert checked.looked_at == 0
    assert [reading.state for reading in found.readings.values()].count("malformed") == 1


@pytest.mark.parametrize(
    ("broken", "state"),
    [
        ("[{}, NaN]", "malformed"),
        ('[{"a": [1,]}]', "malformed"),
        ('[{"a": 1,}]', "malformed"),
        ("[{}\x0b]", "malformed"),
        ("[{}] x", "malformed"),
        ("[{}][{}]", "malformed"),
        ('[{"a": "raw\ttab"}]', "malformed"),
        ('[{"a": 01}]', "malformed"),
        ('[{"a": "\\ud800"}]', "read"),
        ('[{"a": ",]"}]', "read"),
        ('[{"a": "-0"}]', "read"),
        ('[{"a": -0}]', "read"),
    ],
)
def test_what_a_reader_lets_pass_is_still_no_json(home, broken: str, state: str):
    """Commas too many, NaN and other digits pass in DuckDB; the file's state does not depend on who read it."""
    home.write(APP, broken)
    found, checked = documents(home)
    assert [reading.state for reading in found.readings.values()] == [state]
    assert checked.held >= 1


def test_records_that_repeat_are_looked_at(home):
    """A second element of one id, and a list in which an id stands twice."""
    twice = [message(id="m1", content="a"), message(id="m1", content="b")]
    home.write(APP, [session(id="s"), session(id="s"), session(id="t", chatHistory=twice), session(id="u")])
    assert documents(home)[1].looked_at == 2
    assert home.migrate()["balance"]["sessions"]["inserted"] == 3


@pytest.fixture
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if a large home were read."""
    monkeypatch.setattr(read, "BATCH_BYTES", 8000)


def test_many_batches_are_one_home(home, small_batches):
    """Ordinals, duplicates and order do not depend on where a batch ends."""
    for number in range(3):
        records = [session(id=f"s{n}", task=f"{number}" * 2000) for n in range(number, number + 3)]
        home.write(f"/home/aki/{number}", records)
    found, _ = documents(home)
    assert len(found.batches) > 2
    home.migrate()


def test_a_large_file_is_read_in_pieces(home, small_batches):
    """Cut where the editor's layout ends a session; ordinals go on."""
    records = [session(id=f"s{n % 25}", task="a {\n  },\n  { b", instances=[instance(instanceId=n)]) for n in range(30)]
    home.write(APP, records)
    found, _ = documents(home)
    assert len(found.batches) > 2
    summary = home.migrate()
    assert (
        summary["balance"]["sessions"] | {"inserted": 25, "shadowed": 5, "source": 30} == summary["balance"]["sessions"]
    )
    assert home.rows("select pointer from migration_ledger order by rowid limit 1 offset 24") == [("/24",)]


@pytest.mark.parametrize("layout", [{"separators": (",", ":")}, {"indent": "\t"}, {"indent": 0}, {"indent": 1}])
def test_a_large_file_in_another_layout(home, small_batches, layout: dict):
    """There are no such seams, or others: it is read all the same."""
    records = [session(id=f"s{n}", evaluation=[{"a": [{}, {}]}]) for n in range(30)]
    home.write(APP, json.dumps(records, **layout))
    assert home.migrate()["balance"]["sessions"]["inserted"] == 30


def test_seams_inside_a_record_cut_nothing(home, small_batches):
    """Two-space lists of an unknown key look like the seam between two sessions."""
    text = dumps([session(id=f"s{n}", evaluation="@") for n in range(8)])
    text = text.replace('"@"', "[\n  {\n  },\n  {\n  },\n  {\n  }\n]")
    home.write(APP, text)
    assert home.migrate()["balance"]["sessions"]["inserted"] == 8


def test_a_large_file_that_is_torn(home, small_batches):
    """What is whole goes in, from every piece."""
    text = dumps([session(id=f"s{n}") for n in range(30)])
    home.write(APP, text[:-100])
    summary = home.migrate()
    assert summary["balance"]["sessions"]["inserted"] == 29
    assert summary["rejects"] == {"malformed": 1}


def test_bytes_that_are_not_utf8_are_told_by_their_place(home):
    """However far in the file, and at a boundary of what is read at once."""
    home.write(APP, b"[" + b" " * ((1 << 20) - 2) + "あ".encode()[:2] + b"]")
    home.migrate()
    assert home.rows("select state, detail from migration_files") == [("invalid_utf8", "byte 1,048,575 is no UTF-8")]


def test_a_character_across_what_is_read_at_once(home):
    """Is a character."""
    home.write(APP, "[" + " " * ((1 << 20) - 2) + '"あ", }')
    home.migrate()
    assert home.rows("select state from migration_files") == [("malformed",)]


def test_no_files_at_all(home):
    """An empty folder is a home without a history."""
    summary = home.migrate()
    assert (summary["outcome"], summary["balance"]["files"]["found"]) == ("ok", 0)
    assert home.rows("select count(*) from sessions") == [(0,)]


def test_every_stage_tells_what_it_made(home):
    """The names of the stages are those of the pipeline."""
    home.write(APP, [session()])
    run = home.run()
    assert list(run.timings)[1:] == [stage.__name__ for stage in pipeline.STAGES]
