"""What a person sees: hostile texts stay text, and both forms, page and plain, say everything."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path
from typing import ClassVar

import nbformat
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ait42nb import display, pipeline
from ait42nb.display import (
    BADGES,
    Badge,
    Code,
    Details,
    Html,
    Notice,
    Progress,
    Shown,
    Stack,
    Step,
    Steps,
    Table,
    join,
    shorten,
    size,
    tag,
    visible,
)
from ait42nb.samples import message, session

HOSTILE = (
    '<script>alert(1)</script><img src=x onerror="alert(1)">',
    "'\"><svg/onload=alert(1)>&lt;b&gt;</td></table></svg>]]>",
    "\x00\x1b]0;title\x07\x1b[31mred\x7f\x9b1m",
    "abc\u202egnp.exe\u2066\u2028\ufeff\ufffe\ud800\U000e0041",
    "$x$ `code` {{ 7*7 }} javascript:alert(1)",
)
texts = st.one_of(st.sampled_from(HOSTILE), st.text(st.characters(), max_size=200))


@dataclass
class Row:
    name: object
    count: int


# One of each primitive, with a foreign text wherever one can stand.
SHOWN = {
    "code": lambda text: Code(text),
    "badge": lambda text: Badge("good", text),
    "notice": lambda text: Notice("failed", text, text),
    "steps": lambda text: Steps([Step("blocking", text, text)], text),
    "details": lambda text: Details(text, text, Code(text)),
    "stack": lambda text: Stack(text, Code(text)),
    "table": lambda text: Table(
        [(text, Code(text), 1)], {"a": text, "b": "b", "c": "c"}, text, total=(text, "", 1), of=9
    ),
    "table of rows": lambda text: Table([Row(text, 1)], caption=text),
    "empty table": lambda text: Table([], [text], text, empty=text),
}


TAGS = {"span", "div", "strong", "details", "summary", "img"}
TAGS |= {"table", "caption", "thead", "tbody", "tfoot", "tr", "th", "td"}


class Parsed(HTMLParser):
    """The elements and attributes of a piece of markup, and the text in it."""

    def __init__(self, markup: str) -> None:
        super().__init__()
        self.tags, self.attributes, self.words = set(), {}, ""
        self.feed(markup)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        for name, value in attrs:
            self.attributes.setdefault(name, []).append(value)

    def handle_data(self, data: str) -> None:
        self.words += data

    def handle_comment(self, data: str) -> None:
        self.tags.add("comment")


def check_markup(shown: Shown) -> None:
    """The markup has our elements and attributes only, and nothing that cannot be seen."""
    bundle = shown._repr_mimebundle_()
    parsed = Parsed(bundle["text/html"])
    assert parsed.tags <= TAGS
    assert set(parsed.attributes) <= {"style", "colspan", "alt", "src"}
    assert all(not re.search(r"url|expression|@|<", style) for style in parsed.attributes["style"])
    assert all(source.startswith("data:image/svg+xml;base64,") for source in parsed.attributes.get("src", []))
    for words in [parsed.words, bundle["text/plain"], *parsed.attributes.get("alt", [])]:
        assert visible(words) == words


# Text, made safe


@pytest.mark.parametrize("name", SHOWN)
@given(text=texts)
@example(text=HOSTILE[0])
@example(text=HOSTILE[1])
@example(text=HOSTILE[2])
@example(text=HOSTILE[3])
def test_hostile_text_stays_text(name, text):
    """Whatever stands in a text, the markup is ours only, and nothing in it is unseen."""
    check_markup(SHOWN[name](text))


@given(text=st.text(st.characters(exclude_categories=["Z", "C"]), min_size=1, max_size=20))
@pytest.mark.parametrize("name", ["code", "badge", "notice", "steps", "details", "stack", "table", "empty table"])
def test_text_is_shown_as_it_is(name, text):
    """A text that hides nothing reads the same in both forms."""
    bundle = SHOWN[name](text)._repr_mimebundle_()

    assert visible(text) in Parsed(bundle["text/html"]).words
    assert visible(text) in bundle["text/plain"]


def test_only_tag_makes_markup():
    """A text that looks like markup, also one that was added to markup, is escaped."""
    bold = tag("b", "x")

    assert tag("p", bold, "<i>", None, 7) == "<p><b>x</b>&lt;i&gt;7</p>"
    assert join(bold + "<i>") == "&lt;b&gt;x&lt;/b&gt;&lt;i&gt;"
    assert not isinstance(bold + "<i>", Html)
    assert tag("td", colspan=2, style=None, class_='"><script>') == (
        '<td colspan="2" class="&quot;&gt;&lt;script&gt;"></td>'
    )


def test_what_acts_unseen_is_shown():
    """Controls, overrides and half surrogates become visible; lines, tabs and emoji stay as they are."""
    assert visible("\x1b[31m\u202ex\x00\ud800") == "␛[31m⟨U+202E⟩x␀⟨U+D800⟩"
    assert visible("一\n\t👩\u200d💻 が") == "一\n\t👩\u200d💻 が"


def test_shortening_counts_columns():
    """Japanese takes two columns, line breaks are marked, and nothing is cut without saying so."""
    assert shorten("日本語です", 10) == "日本語です"
    assert shorten("日本語ですね", 10) == "日本語で…"
    assert shorten("one\n\n two", 20) == "one ⏎ two"
    assert shorten("\u0301" * 1000, 10).endswith("…")
    assert shorten("x" * 10_000_000, 10) == "xxxxxxxxx…"


def test_sizes_in_words():
    """Bytes are told in the unit that people use."""
    assert [size(n) for n in (0, 999, 1000, 1_234_567, 5 * 10**15)] == [
        "0 bytes",
        "999 bytes",
        "1.0 kB",
        "1.2 MB",
        "5000.0 TB",
    ]


# Building blocks


def linear(colour: str, place: int) -> float:
    part = int(colour[place : place + 2], 16) / 255
    return part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4


def _light(colour: str) -> float:
    red, green, blue = (linear(colour, i) for i in (1, 3, 5))
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize("kind", BADGES)
def test_a_badge_has_a_word_and_contrast(kind):
    """No colour speaks alone, and its white letters can be read."""
    assert Badge(kind).text() == f"[{BADGES[kind][1]}]"
    assert 1.05 / (_light(BADGES[kind][0]) + 0.05) >= 4.5


def test_a_kind_that_does_not_exist_is_refused():
    """A misspelt kind is an error, not a box without a colour."""
    with pytest.raises(ValueError, match="unknown kind 'goood'"):
        Notice("goood", "x")


def test_a_notice_says_all_in_both_forms():
    """Word, title and text stand in the box and in the plain form."""
    notice = Notice("dry_run", "Nothing was written", "Line one\nLine two")

    assert str(notice) == "[Dry run] Nothing was written\n  Line one\n  Line two"
    assert "Dry run\u2002Nothing was writtenLine one\nLine two" in Parsed(notice.html()).words


def test_steps_know_whether_they_block():
    """A checklist blocks if one of its lines does; each remedy stands below its line."""
    fine, bad = Step("good", "fine"), Step("blocking", "database open", "Close the editor")

    assert not Steps([fine]).blocked
    assert Steps([fine, bad]).blocked
    assert str(Steps([fine, bad], "Before")) == (
        "Before\n[Good]     fine\n[Blocking] database open\n           Close the editor"
    )


# Tables


def test_a_table_in_plain_text():
    """Numbers stand to the right with separators, sums below, and what is left out is counted."""
    table = Table(
        [("missing_field", 1234), ("日本語", 5), ("c", None)], ["reason", "records"], "Held", total=True, limit=2, of=10
    )

    assert str(table).split("\n") == [
        "Held",
        "reason         records",
        "─────────────  ───────",
        "missing_field    1,234",
        "日本語               5",
        "… and 8 more",
        "total            1,239",
    ]
    words = Parsed(table.html()).words
    assert all(part in words for part in ("Held", "reason", "1,234", "… and 8 more", "total", "1,239"))


def test_numbers_are_set_to_the_right():
    """Numbers, and columns that are named, stand to the right; text and truth values do not."""
    table = Table([{"n": 1, "word": "x", "yes": True, "size": "1 kB"}], right={"size"})

    assert re.findall(r"<td [^>]*text-align:(\w+)", table.html()) == ["right", "left", "left", "right"]
    assert str(table).split("\n")[2] == "1  x     yes  1 kB"


def test_rows_may_be_mappings_dataclasses_or_sequences():
    """The three kinds of rows make the same table."""
    tables = [
        Table([{"count": 1, "name": "a"}], ["name", "count"]),
        Table([Row("a", 1)], ["name", "count"]),
        Table([("a", 1)], ["name", "count"]),
        Table(iter([Row("a", 1)])),
    ]

    assert len(set(map(str, tables))) == 1
    with pytest.raises(ValueError, match="a row of 1 values under 2 headings"):
        Table([("a",)], ["name", "count"])


def test_a_table_without_rows_says_so():
    """An empty table is words, in both forms."""
    table = Table([], ["a"], "Conflicts", empty="no conflicts", total=True)

    assert str(table) == "Conflicts\nno conflicts"
    assert Parsed(table.html()).words == "Conflictsno conflicts"


def test_long_text_is_folded_not_lost():
    """A long text shows its beginning, and the whole of it unfolds; only megabytes are cut, and counted."""
    text = "line one\n" + "長い" * 500
    short = Parsed(Table([(text,)], ["x"]).html())
    huge = Parsed(Table([("y" * 1_000_000,)], ["x"]).html())

    assert {"details", "summary"} <= short.tags
    assert text in short.words
    assert "… and 980,000 characters more" in huge.words
    assert max(map(len, str(Table([(text,)], ["x"])).split("\n"))) <= 60


# Progress


def test_progress_is_silent_outside_a_notebook(capfd):
    """In a script it shows nothing."""
    with Progress("Reading", 3) as progress:
        for _ in range(3):
            progress.step()

    assert progress.done == 3
    assert capfd.readouterr() == ("", "")


class Screen:
    """Stands for somebody who looks on: keeps what is shown."""

    def __init__(self, monkeypatch) -> None:
        self.shown, self.clock = [], 100.0
        monkeypatch.setattr(display, "has_kernel", lambda: True)
        monkeypatch.setenv("JPY_SESSION_NAME", "somebody.ipynb")
        monkeypatch.setattr("IPython.display.display", self.display)
        monkeypatch.setattr(display.time, "monotonic", lambda: self.clock)

    def display(self, bundle, raw, display_id=False):
        self.update(bundle, raw)
        return self

    def update(self, bundle, raw):
        assert raw
        self.shown.append(bundle)


def test_progress_where_somebody_looks_on(monkeypatch):
    """A bar with counts and a rate, renewed at most five times a second or when another thing begins; then a line."""
    screen = Screen(monkeypatch)
    with Progress("Staging <b>", 4000, "rows") as progress:
        for _ in range(30):
            screen.clock += 0.05
            progress.step(100)
        progress.step(1000, now="indexes")

    assert 8 <= len(screen.shown) <= 11
    first, *_, named, last = screen.shown
    assert first["text/plain"] == "Staging <b>: 0 of 4,000 rows"
    assert '<progress max="4000" value="0"' in first["text/html"]
    assert named["text/plain"] == "Staging <b>: 4,000 of 4,000 rows, 2,667 a second, indexes"
    assert last["text/plain"] == "Staging <b>: 4,000 rows in 1.5 s"
    assert "<progress" not in last["text/html"] and "&lt;b&gt;" in last["text/html"]


def test_progress_in_bytes(monkeypatch):
    """Bytes are said as people read them, and what is not known beforehand has no end."""
    screen = Screen(monkeypatch)
    with Progress("Reading", 3_000_000, "bytes") as progress:
        screen.clock += 2
        progress.step(1_000_000)
    with Progress("Looking", unit="records") as progress:
        screen.clock += 2
        progress.step(10)

    words = [bundle["text/plain"] for bundle in screen.shown]
    assert words[1:3] == ["Reading: 1.0 MB of 3.0 MB, 500.0 kB a second", "Reading: 1.0 MB of 3.0 MB in 2.0 s"]
    assert words[3:] == ["Looking: 0 records", "Looking: 10 records, 5 a second", "Looking: 10 records in 2.0 s"]
    assert "value" not in screen.shown[3]["text/html"]


def test_progress_may_be_unwanted(monkeypatch):
    """A run inside of another shows no bars of its own."""
    screen = Screen(monkeypatch)
    with Progress("Reading", 1, shown=False) as progress:
        progress.step()

    assert screen.shown == []


def test_importing_does_not_import_ipython():
    """The package costs a script nothing that only notebooks need."""
    code = "import sys, ait42nb.display, ait42nb.share; print({'IPython', 'nbconvert', 'nbformat'} & {*sys.modules})"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert run.stdout == "set()\n"


def test_progress_leaves_one_line(tmp_path):
    """An executed notebook keeps one quiet line a step, whatever was shown meanwhile; papermill's log gets nothing."""
    notebook = nbformat.v4.new_notebook(metadata={"kernelspec": {"name": "python3", "display_name": "Python 3"}})
    notebook.cells = [
        nbformat.v4.new_code_cell(source)
        for source in (
            "import time\nfrom ait42nb.display import Progress",
            "with Progress('Reading <b>', 1500, unit='records') as progress:\n"
            "    for _ in range(3):\n        time.sleep(0.25)\n        progress.step(500)",
            "try:\n    with Progress('Writing', 10) as progress:\n        progress.step(4)\n        raise ValueError\n"
            "except ValueError:\n    pass",
        )
    ]
    nbformat.write(notebook, tmp_path / "in.ipynb")
    command = [sys.executable, "-m", "papermill", "in.ipynb", "out.ipynb", "--no-progress-bar", "--log-level", "ERROR"]
    # A kernel that sees pytest does not keep papermill's stderr.
    environment = {name: value for name, value in os.environ.items() if name != "PYTEST_CURRENT_TEST"}
    environment["PYTHONPATH"] = str(Path(display.__file__).parents[1])
    Path(environment["HOME"]).mkdir()

    run = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True)

    _, reading, writing = nbformat.read(tmp_path / "out.ipynb", as_version=4).cells
    assert [len(reading.outputs), len(writing.outputs)] == [1, 1]
    assert re.fullmatch(r"Reading <b>: 1,500 records in 0\.\d s", reading.outputs[0].data["text/plain"])
    assert "Reading &lt;b&gt;: 1,500 records" in reading.outputs[0].data["text/html"]
    assert "<progress" not in reading.outputs[0].data["text/html"]
    assert writing.outputs[0].data["text/plain"].startswith("Writing: stopped at 4 of 10 in ")
    assert run.stderr == ""


class Recorded(Progress):
    """Every step that told how far it is."""

    all: ClassVar[list[Progress]] = []

    def __init__(self, *of: object, **how: object) -> None:
        super().__init__(*of, **how)
        self.all.append(self)


def test_every_long_step_tells_how_far_it_is(home, monkeypatch):
    """Reading, checking, staging, verifying and merging count to their end; a run inside of another shows nothing."""
    monkeypatch.setattr(pipeline, "Progress", Recorded)
    Recorded.all.clear()
    home.write("/gone", [session(id="held", chatHistory=[message()])], mapped=False)
    for task in ("first", "second"):
        home.write("/w", [session(id="s", task=task), session(id="odd", task="x", more=1)])
        run = pipeline.start(ait42_home=str(home.path), dry_run=False, backup=False)
        for stage in pipeline.STAGES:
            run.step(stage)
        run.close()

    told = {(one.label, one.unit): (one.done, one.total) for one in Recorded.all}
    assert not run.failure
    assert told.pop(("Reading", "bytes"))[0] == sum(file.stat().st_size for file in home.path.glob("sessions/*"))
    ((rows,),) = home.rows("select count(*) + sum(instance_count) + sum(message_count) from sessions")
    assert told == {
        ("Checking one by one", "records"): (1, None),
        ("Staging", "rows"): (rows, rows),
        ("Verifying", "rows"): (rows, rows),
        ("Rehearsing the merge", "sessions"): (1, 1),
        ("Merging", "sessions"): (1, 1),
    }
    assert run.watched and not pipeline.migrate(ait42_home=str(home.path)).watched
