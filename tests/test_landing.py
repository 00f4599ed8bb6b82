"""Messages land in the staging file before anybody knows which of them stay, and under which id."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing

import pytest

from ait42nb import engine as duck
from ait42nb import landing, read
from ait42nb.check import check_records
from ait42nb.pipeline import STAGES, start
from ait42nb.read import Documents
from ait42nb.resolve import resolve_records
from ait42nb.samples import message, session

OLD, NEW = "2025-01-01T00:00:00.000Z", "2025-02-01T00:00:00.000Z"


@pytest.fixture(
    params=[(64 << 20, 50_000), (1, 50_000), (1, 1)],
    ids=["one batch", "a batch a file, laid together", "a batch a file"],
    autouse=True,
)
def _batches(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """An id may stand twice in one batch, or in two."""
    batch_bytes, full_part = request.param
    monkeypatch.setattr(read, "BATCH_BYTES", batch_bytes)
    monkeypatch.setattr(landing, "FULL_PART", full_part)


def contents(home) -> list[tuple]:
    return home.rows("select id, content from chat_messages order by rowid")


def said(content: str, id_: str = "m") -> dict:
    return message(id=id_, content=content)


@pytest.mark.parametrize("times", [(OLD, NEW), (NEW, OLD)], ids=["older first", "younger first"])
def test_the_oldest_session_has_the_id_whoever_is_read_first(home, times: tuple):
    """Which is the one that landed under it, or the other."""
    for name, time in zip("ab", times, strict=True):
        home.write(f"/{name}", [session(id=name, createdAt=time, chatHistory=[said(name), said(name, f"m@{name}")])])
    home.migrate()
    oldest, other = "ab" if times[0] == OLD else "ba"
    assert dict(contents(home))["m"] == oldest
    assert other in {content for id_, content in contents(home) if id_.startswith(f"m@{other}")}
    assert len(contents(home)) == 4


def test_two_messages_change_ids(home):
    """One gets what the other landed under."""
    home.write("/a", [session(id="a", createdAt=NEW, chatHistory=[said("young", "x"), said("old too", "y")])])
    home.write("/b", [session(id="b", createdAt=OLD, chatHistory=[said("old", "x")])])
    home.write("/c", [session(id="c", createdAt=NEW, chatHistory=[said("own", "x@a")])])
    home.migrate()
    found = dict(contents(home))
    assert (found["x"], found["y"], len(found)) == ("old", "old too", 4)
    assert found["x@a"] in ("own", "young")


def test_ids_that_look_as_if_the_kit_had_made_them(home):
    """Any text may be an id."""
    ids = ["\x01", "\x011", "\x012", "\x01\x01", "1", "\x00"]
    home.write("/a", [session(id="a", chatHistory=[said(f"a{id_!r}", id_) for id_ in ids])])
    home.write("/b", [session(id="b", chatHistory=[said(f"b{id_!r}", id_) for id_ in reversed(ids)])])
    home.migrate()
    assert len(contents(home)) == 2 * len(ids)
    assert {id_ for id_, _ in contents(home)} >= set(ids)


def test_what_does_not_go_in_leaves_no_room_behind(home):
    """A session that another file has a newer version of; the file is as small as if it had never been there."""
    chat = [said("x" * 10_000, f"m{n}") for n in range(300)]
    home.write("/a", [session(id="s", updatedAt=OLD, chatHistory=chat)])
    home.write("/b", [session(id="s", updatedAt=NEW, chatHistory=[said("new", "m1")])])
    home.migrate()
    assert contents(home) == [("m1", "new")]
    ((pages,),), ((empty,),) = home.rows("pragma page_count"), home.rows("pragma freelist_count")
    assert empty <= landing._EMPTY * pages


def test_nothing_lands_of_a_workspace_that_is_not_known(home, request: pytest.FixtureRequest):
    """Its sessions are held, whole; writing them only to delete them again would take twice as long."""
    for name, known in (("a", True), ("b", False)):
        odd = session(id=f"odd {name}", chatHistory=[said(f"{known} odd", "o")], evaluation=1)
        home.write(f"/{name}", [session(id=name, chatHistory=[said(f"{known}")]), odd], mapped=known)
    run = start(ait42_home=str(home.path), dry_run=True)
    request.addfinalizer(run.close)
    for stage in STAGES[: STAGES.index(check_records) + 1]:
        run.step(stage)
    with closing(sqlite3.connect(run.get(Documents).landing.path)) as connection:
        assert connection.execute("select content from chat_messages").fetchall() == [("True",), ("True odd",)]
    run.close()
    home.migrate()
    assert contents(home) == [("m", "True"), ("o", "True odd")]


def test_a_file_that_turns_out_unreadable_takes_back_what_landed(home, monkeypatch: pytest.MonkeyPatch):
    """Its first pieces were in order; what is whole goes in once, record by record."""
    monkeypatch.setattr(read, "BATCH_BYTES", 20_000)
    sessions = [session(id=f"s{n}", chatHistory=[said("x" * 2000, f"m{n}")]) for n in range(40)]
    home.write("/a", [session(id="before", chatHistory=[said("first", "m-1")])])
    torn = home.write("/b", sessions)
    torn.write_bytes(torn.read_bytes()[:-200])
    home.write("/c", [session(id="after", chatHistory=[said("last", "m0")])])
    home.migrate()
    assert len(contents(home)) == 1 + 39 + 1
    ((rows, last),) = home.rows("select count(*), max(rowid) from chat_messages")
    assert rows == last


def test_small_parts_are_laid_together(home, monkeypatch: pytest.MonkeyPatch):
    """In their order, up to a number of messages; the ledger finds each session's, as if they had been read at once."""
    monkeypatch.setattr(landing, "FULL_PART", 5)
    for n, messages in enumerate([2, 0, 3, 1, 6, 0, 1]):
        home.write(f"/{n}", [session(id=f"s{n}", chatHistory=[said(f"{n} {i}", f"{n}-{i}") for i in range(messages)])])
    run = home.run()
    assert run.failure is None
    assert 1 < len(run.get(Documents).landing.parts) < 1 + 7  # an empty one, and fewer than there are files
    assert len(contents(home)) == 13
    ledger = home.rows("select session_id, json_extract(base, '$.messages') from migration_ledger order by session_id")
    assert [(id_, len(json.loads(prints))) for id_, prints in ledger] == [
        (f"s{n}", messages) for n, messages in enumerate([2, 0, 3, 1, 6, 0, 1])
    ]
    assert home.migrate(reread=True)["balance"]["messages"]["unchanged"] == 13


def test_a_second_run_holds_no_message_whose_id_is_its_own(home):
    """All ids of both stores at once would not fit into memory; who is stored under his own id needs no decision."""
    for n in range(3):
        home.write(f"/{n}", [session(id=f"s{n}", chatHistory=[said(f"{n} {i}", f"{n}-{i}") for i in range(4)])])
    home.migrate()
    run = start(ait42_home=str(home.path), reread=True)
    for stage in STAGES[: STAGES.index(resolve_records) + 1]:
        run.step(stage)
    assert run.failure is None
    for table in ("ambiguous_ids", "stored_messages", "kept_ids", "doubtful_ids", "wanted_ids"):
        assert duck.count(run.engine, table) == 0
    run.close()
