"""What the report says of what is not in the main tables: which record, why, and what to do; and where all went."""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from contextlib import closing
from html.parser import HTMLParser

import pytest

from ait42nb import report
from ait42nb.display import Shown
from ait42nb.merge import Reconciled
from ait42nb.reconcile import KINDS, PLACES
from ait42nb.report import REMEDIES
from ait42nb.samples import dumps, instance, message, session
from ait42nb.stage import ASIDE, WORDS

APP, OTHER, UNKNOWN = "/home/aki/app", "/home/aki/other", "/home/aki/unknown"


class Page(HTMLParser):
    """The rows of a page's tables: the words of each cell."""

    def __init__(self, shown: Shown) -> None:
        super().__init__()
        self.rows: list[list[str]] = []
        self.inside = False
        self.feed(shown.html())

    def handle_starttag(self, tag: str, attributes: object) -> None:
        if tag == "tr":
            self.rows.append([])
        elif tag in ("td", "th"):
            self.rows[-1].append("")
            self.inside = True

    def handle_endtag(self, tag: str) -> None:
        self.inside = self.inside and tag not in ("td", "th")

    def handle_data(self, data: str) -> None:
        if self.inside:
            self.rows[-1][-1] += data


def row_of(page: Page, place: str) -> list[str]:
    """The one row whose first cell begins with a record's place."""
    (row,) = [row for row in page.rows if row and (row[0] == place or row[0].startswith(f"{place}s-"))]
    return row


@pytest.fixture
def odd_home(home):
    """Held for all kinds of reasons, shadowed, superseded, a conflict, and what a person deleted."""
    held = session(id="s-held", status="round_2", winnerId=-1, task=None, instances=[instance(branch=1)])
    held["chatHistory"] = [message(id="m", role=None), message(id="m2", timestamp=5)]
    newer = session(id="s-moved", updatedAt="2026-01-01T00:00:00Z")
    sessions = [session(id="s-1"), session(id="s-1", chatHistory=[message()]), held, session(id="s-moved"), None]
    home.write(APP, [*sessions, session(id="s-both"), session(id="s-gone")])
    home.write(OTHER, [newer])
    home.write(UNKNOWN, [session(id="s-unknown", chatHistory=[message(id="u")])], mapped=False)
    home.put("torn.json", dumps([session(id="s-torn")])[:-30])
    home.put("latin.json", b'["\xe9"]')
    home.put("object.json", "{}")
    home.migrate()
    with closing(sqlite3.connect(home.database)) as connection:
        connection.execute("delete from sessions where id = 's-gone'")
        connection.execute("update sessions set task = 'theirs' where id = 's-both'")
        connection.commit()
    home.write(APP, [*sessions, session(id="s-both", task="ours"), session(id="s-gone")])
    return home


@pytest.mark.parametrize("redact", [False, True])
def test_every_record_that_is_not_in_the_main_tables_is_named(odd_home, redact: bool):
    """Which one it is, everything that is wrong with it and where, and what to do; or what stands in its place."""
    run = odd_home.run(redact=redact)
    assert run.failure is None
    page = Page(report.held(run))
    query = "select source_path, pointer, key, reason, detail, entity from migration_rejects"
    rejects = odd_home.rows(query)
    assert {"conflict", "deleted_in_database", "superseded", "shadowed_duplicate"} < {row[3] for row in rejects}
    assert len(rejects) > 10
    for source_path, pointer, key, reason, detail, _ in rejects:
        place = f"{report.source_path(source_path, redact)} {pointer or ''}".strip()
        record, _, why, last = row_of(page, "as the database" if pointer is None else place)
        assert record.endswith(key or "")
        if reason in ASIDE:
            assert why == reason
            assert bool(last) == (reason != "deleted_in_database")
        else:
            assert last.startswith(REMEDIES[reason])
            for told in json.loads(detail):
                assert REMEDIES[told["reason"]] in last
                assert f"{told['reason']} {told['pointer'].removeprefix(pointer)}".strip() in why
                assert redact or told["detail"] in why


def test_what_stands_aside_is_explained(odd_home):
    """By reason: how many, why, and that nothing needs to be done."""
    run = odd_home.run()
    rows = {row[1]: row for row in Page(report.held(run)).rows if len(row) == 3}
    for reason, count in Counter(row for (row,) in odd_home.rows("select reason from migration_rejects")).items():
        if reason in ASIDE:
            assert rows[WORDS[reason]] == [str(count), WORDS[reason], REMEDIES[reason]]


def test_every_reason_has_a_remedy():
    assert set(REMEDIES) >= set(WORDS)


def test_nothing_is_held(home):
    """One sentence."""
    home.write(APP, [session()])
    assert "Every record is in the main tables" in report.held(home.run(dry_run=True)).text()


def test_many_are_shown_and_the_rest_is_counted(home, monkeypatch: pytest.MonkeyPatch):
    """A page stays light enough to open."""
    monkeypatch.setattr(report, "MOST", 5)
    home.write(APP, [session(id=f"s{n}", status="odd") for n in range(12)])
    assert "… and 7 more" in report.held(home.run(dry_run=True)).text()


def test_the_books_are_a_table_and_a_picture(odd_home):
    """In total and a file at a time, for the three kinds; each row adds up (invariant 2)."""
    run = odd_home.run()
    shown = report.books(run)
    assert "<img" in shown.html()
    rows = [row for row in Page(shown).rows if len(row) >= len(PLACES) + 2 and row[-1].isdigit()]
    balance = run.get(Reconciled).balance
    assert len(rows) == len(KINDS) + len(KINDS) * len(balance.files)
    for row in rows:
        source, *places = map(int, row[-len(PLACES) - 1 :])
        assert source == sum(places)
    assert [row[0] for row in rows[:3]] == [row[1] for row in rows[3:6]] == list(KINDS)
