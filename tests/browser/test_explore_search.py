"""explore.ipynb in JupyterLab, as a person uses it: search as one types, and a session to read, by keyboard alone."""

from __future__ import annotations

import pytest

from ait42nb import samples

RED = "\x1b[1;31m✗\x1b[0m 2 of 14 tests failed"


@pytest.fixture
def history(home):
    """A made-up history, and one session in it that only one word finds."""
    samples.write_home(home.path, sessions=60)
    capture = f"\x1b]0;tmux\x07{RED}\n╭──────╮\n│ 概要 │\n╰──────╯\n<img src=x onerror=\"document.title='run'\">"
    said = [
        samples.message(id="m1", content="全文検索の索引を調べてください", timestamp="2025-11-30T09:00:00Z"),
        samples.message(id="m2", role="system", content=capture, timestamp="2025-11-30T09:01:00Z"),
    ]
    home.write(
        "/home/aki/仕事/とても長い名前の作業用フォルダー/" + "-".join(["very-long-path"] * 8) + "/検索",
        [samples.session(id="needle", task="ニードルを探す", createdAt="2025-11-30T09:00:00Z", chatHistory=said)],
    )
    assert not home.run().failure
    return home


def test_search_as_one_types(history, open_notebook):
    """Each letter narrows the list; a number opens a session, whose text is readable and never live."""
    person = open_notebook("explore.ipynb", ait42_home=str(history.path))
    page, keyboard = person.page, person.page.keyboard
    before = person.cells()
    person.run_all()

    page.get_by_label("Search", exact=True).click()
    person.shot("explore_all")
    keyboard.type("索引", delay=60)
    person.sees("1 session", exact=True)
    person.tab_to("Status")
    keyboard.type("paused")
    person.sees("No session fits.")
    keyboard.press("Control+a")
    keyboard.press("Delete")
    person.sees("1 session", exact=True)
    for key in ("Escape", "ArrowDown", "Enter"):
        keyboard.press(key)
    person.tab_to("Read no.")
    keyboard.type("1")
    person.sees("✗ 2 of 14 tests failed")

    assert person.cells() == before
    assert page.title() != "run"
    assert page.locator(".jp-OutputArea img[onerror]").count() == 0
    page.get_by_text("ニードルを探す").last.scroll_into_view_if_needed()
    person.shot("explore_read")
    form = page.locator(".jp-OutputArea .widget-vbox").first
    assert form.evaluate("e => [...e.querySelectorAll('*')].every(x => x.clientWidth >= x.scrollWidth - 1)")
    person.theme("JupyterLab Dark")
    person.shot("explore_read_dark")
    person.theme("JupyterLab Light")
