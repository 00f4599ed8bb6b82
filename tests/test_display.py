"""What a person sees: hostile texts stay text, and both forms, page and plain, say everything."""

from __future__ import annotations

import base64
import os
import re
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass
from html.parser import HTMLParser
from itertools import combinations
from math import dist
from pathlib import Path
from xml.etree import ElementTree

import nbformat
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ait42nb import display
from ait42nb.display import (
    BADGES,
    OUTCOMES,
    Badge,
    Code,
    Details,
    Html,
    Notice,
    Picture,
    Progress,
    Shown,
    Stack,
    Step,
    Steps,
    Table,
    bar_picture,
    count_credentials,
    flow_picture,
    history_picture,
    join,
    masked,
    shorten,
    size,
    tag,
    visible,
)

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
    "flow": lambda text: flow_picture({"sessions": {"source": 2, "inserted": 1, "held": 1}}, text),
    "bars": lambda text: bar_picture(text, {text: 3, "b": 0}, limit=5),
    "history": lambda text: history_picture(text, [("2025-01", text, 3), (text, text, 1)]),
}


TAGS = {"span", "div", "strong", "details", "summary", "img"}
TAGS |= {"table", "caption", "thead", "tbody", "tfoot", "tr", "th", "td"}
SVG_TAGS = {"svg", "rect", "path", "text", "tspan"}


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


def svg_of(shown: Shown) -> ElementTree.Element:
    """The picture's SVG, read by a strict parser."""
    return ElementTree.fromstring(shown.svg)


# Text, made safe


@pytest.mark.parametrize("name", SHOWN)
@given(text=texts)
@example(text=HOSTILE[0])
@example(text=HOSTILE[1])
@example(text=HOSTILE[2])
@example(text=HOSTILE[3])
def test_hostile_text_stays_text(name, text):
    """Whatever stands in a text, the markup has our elements and attributes only, and nothing that cannot be seen."""
    shown = SHOWN[name](text)

    bundle = shown._repr_mimebundle_()
    parsed = Parsed(bundle["text/html"])

    assert parsed.tags <= TAGS
    assert set(parsed.attributes) <= {"style", "colspan", "alt", "src"}
    assert all(not re.search(r"url|expression|@|<", style) for style in parsed.attributes["style"])
    assert all(source.startswith("data:image/svg+xml;base64,") for source in parsed.attributes.get("src", []))
    for words in [parsed.words, bundle["text/plain"], *parsed.attributes.get("alt", [])]:
        assert visible(words) == words
    if isinstance(shown, Picture):
        assert {element.tag.rpartition("}")[2] for element in svg_of(shown).iter()} <= SVG_TAGS


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


def _linear(colour: str, place: int) -> float:
    part = int(colour[place : place + 2], 16) / 255
    return part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4


def _light(colour: str) -> float:
    red, green, blue = (_linear(colour, i) for i in (1, 3, 5))
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize("kind", BADGES)
def test_a_badge_has_a_word_and_contrast(kind):
    """No colour speaks alone, and its white letters can be read."""
    assert Badge(kind).text() == f"[{BADGES[kind][1]}]"
    assert 1.05 / (_light(BADGES[kind][0]) + 0.05) >= 4.5


# What people see who lack one kind of cone, as matrices in linear light (Machado, Oliveira and Fernandes 2009).
VISION = {
    "usual": ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
    "no red": ((0.152, 1.053, -0.205), (0.115, 0.786, 0.099), (-0.004, -0.048, 1.052)),
    "no green": ((0.367, 0.861, -0.228), (0.280, 0.673, 0.047), (-0.012, 0.043, 0.969)),
    "no blue": ((1.256, -0.077, -0.179), (-0.078, 0.931, 0.148), (0.005, 0.691, 0.304)),
}


def _lab(colour: str, vision: tuple) -> tuple[float, float, float]:
    """A colour as somebody sees it, in CIELAB, where distances are differences."""
    light = [_linear(colour, i) for i in (1, 3, 5)]
    red, green, blue = (min(1, max(0, sum(a * b for a, b in zip(row, light, strict=True)))) for row in vision)
    x, y, z = (
        part ** (1 / 3) if part > 0.008856 else 7.787 * part + 16 / 116
        for part in (
            (0.4124 * red + 0.3576 * green + 0.1805 * blue) / 0.9505,
            0.2126 * red + 0.7152 * green + 0.0722 * blue,
            (0.0193 * red + 0.1192 * green + 0.9505 * blue) / 1.0888,
        )
    )
    return 116 * y - 16, 500 * (x - y), 200 * (y - z)


@pytest.mark.parametrize("vision", VISION)
def test_colours_are_told_apart(vision):
    """Any two series, and any two outcomes, differ for every kind of colour vision."""
    for colours in ([*display._SERIES, display._OTHERS], [colour for _, colour in OUTCOMES.values()]):
        seen = [_lab(colour, VISION[vision]) for colour in colours]
        assert min(dist(a, b) for a, b in combinations(seen, 2)) > 15


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


# Pictures


def drawn(picture: Picture) -> list[str]:
    """Every text that the picture shows."""
    return ["".join(element.itertext()) for element in svg_of(picture).iter() if element.tag.endswith("}text")]


BALANCE = {
    "sessions": dict(zip(["source", *OUTCOMES], [1, 1, 0, 0, 0, 0, 0], strict=True)),
    "instances": dict.fromkeys(["source", *OUTCOMES], 0),
    "messages": dict(zip(["source", *OUTCOMES], [10_000_000, 9_999_995, 1, 1, 1, 1, 1], strict=True)),
    "files": {"found": 1},
}


def test_the_flow_shows_every_outcome_from_one_to_ten_million():
    """Every count is written, tiny streams can be seen, empty ones keep their place (invariant 2)."""
    picture = flow_picture(BALANCE)

    words = drawn(picture)
    assert {"1 inserted", "0 held", "9,999,995 inserted", "1 database newer", "10,000,000 in the files"} <= set(words)
    assert len([word for word in words if word.endswith("held")]) == 3
    thick = [
        float(box.get("height"))
        for box in svg_of(picture).iter("{http://www.w3.org/2000/svg}rect")
        if box.get("width") == "7.00"
    ]
    assert len(thick) == 7  # one of sessions, six of messages
    assert min(thick) >= 3
    assert "9,999,995" in str(picture) and "9,999,995 inserted" in picture.alt
    assert "does not balance" not in "".join(words)


def test_the_flow_keeps_its_panel():
    """Nothing is drawn outside the paper, whatever the counts."""
    full = dict(zip(["source", *OUTCOMES], [6 * 10**8, *[10**8] * 6], strict=True))
    for book in (full, BALANCE["messages"], BALANCE["instances"]):
        svg = svg_of(flow_picture({"sessions": book, "instances": book, "messages": book}))
        height = float(svg.get("height"))
        for element in svg.iter():
            assert float(element.get("y", 0)) + float(element.get("height", 0)) <= height
            if element.tag.endswith("}text"):
                room = 7.5 * len("".join(element.itertext()))
                assert float(element.get("x")) + room <= 960


def test_the_flow_tells_when_the_books_do_not_balance():
    """A record that went nowhere is not hidden by the picture (invariant 2)."""
    missing = flow_picture({"messages": {"source": 10, "inserted": 7}})
    surplus = flow_picture({"messages": {"source": 7, "inserted": 10}})

    assert "does not balance: 3 missing" in drawn(missing)
    assert "does not balance: 3 too many" in drawn(surplus)


def test_streams_are_in_proportion():
    """Twice as many are never drawn thinner, and the streams together are as thick as their source."""
    boxes = [
        float(box.get("height"))
        for box in svg_of(flow_picture({"messages": {"source": 1111, "inserted": 1000, "updated": 100, "held": 11}}))
        if box.get("rx") in ("2", "2.0", "1.5")
    ]
    source, *streams = boxes

    assert streams == sorted(streams, reverse=True)
    assert sum(streams) == pytest.approx(source, abs=0.1)


def test_bars_show_tiny_and_no_counts():
    """One of a million still has a bar, none has its zero, and labels beyond the limit are summed up."""
    picture = bar_picture("By workspace", {"big": 1_000_000, "tiny": 1, "none": 0, "x": 4, "y": 5}, limit=3)

    widths = [float(box.get("width")) for box in svg_of(picture) if box.get("height") == "20.00"]
    assert widths[1] == 3
    assert widths[2] == 0
    assert {"1,000,000", "1", "0", "2 others", "9"} <= set(drawn(picture))
    assert "big: 1,000,000; tiny: 1" in picture.alt
    assert "2 others          9" in str(picture)
    assert "none" in drawn(bar_picture("Empty", {}))


def test_long_japanese_labels_fit():
    """A long label is shortened in the picture, and no text leaves the paper."""
    picture = bar_picture("長い", {"とても長い日本語のプロジェクト名" * 5: 10**9})

    label = next(word for word in drawn(picture) if word.startswith("とても"))
    assert label.endswith("…")
    assert 13 * len(label) < 24 + 290


def test_history_keeps_empty_months_and_counts_the_unreadable():
    """Months without records have their place, and rows without a month are told below."""
    picture = history_picture("By month", [("2024-11", "debate", 2), ("2025-02", "競争", 3), ("soon", "debate", 7)])

    words = drawn(picture)
    assert [word for word in words if re.fullmatch(r"\d{4}-\d\d", word)] == ["2024-11", "2024-12", "2025-01", "2025-02"]
    assert {"debate", "競争", "7 without a readable month"} <= set(words)
    assert [line.split() for line in str(picture).split("\n")[3:]] == [
        ["2024-11", "0", "2"],
        ["2025-02", "3", "0"],
        ["total", "3", "2"],
        ["7", "without", "a", "readable", "month"],
    ]
    assert "2024-11 to 2025-02, most in 2025-02 (3). 競争: 3; debate: 2." in picture.alt


@pytest.mark.parametrize(
    "months",
    [
        [],
        ["2025-01"],
        [f"{year}-{month:02d}" for year in range(2016, 2025) for month in range(1, 13)],
        ["0001-01", "9999-12"],
        [f"{year:04d}-06" for year in range(1, 10000, 7)],
    ],
)
def test_history_stays_readable_over_any_time(months):
    """From no month to ten thousand years: few columns, none outside the paper, nothing uncounted."""
    picture = history_picture("History", [(month, "all", 1) for month in months])

    bars = [box for box in svg_of(picture) if box.get("fill") == display._SERIES[0] and box.get("width") != "12.00"]
    assert len(bars) <= 120
    assert all(float(box.get("x")) > 26 and float(box.get("x")) + float(box.get("width")) <= 937 for box in bars)
    older = sum(
        int(found[1].replace(",", "")) for found in re.finditer(r"([\d,]+) are older", " ".join(drawn(picture)))
    )
    total = re.search(r"^total +([\d,]+)$", str(picture), re.MULTILINE)
    assert older + (int(total[1].replace(",", "")) if total else 0) == len(months)


def test_many_series_become_others():
    """Colours are few, so the smallest series are summed up, also when one is called so itself."""
    rows = [("2025-01", f"s{n}", n) for n in range(1, 9)] + [("2025-01", "others", 50)]
    words = str(history_picture("Many", rows)).split("\n")

    assert words[1].split() == ["month", "others", "s8", "s7", "s6", "s5", "s4"]
    assert words[-1].split() == ["total", "56", "8", "7", "6", "5", "4"]


def test_a_picture_shows_in_an_untrusted_notebook():
    """It is an image with its words beside it: no inline SVG, no style element, nothing from elsewhere."""
    bundle = flow_picture(BALANCE)._repr_mimebundle_()

    parsed = Parsed(bundle["text/html"])
    assert parsed.tags == {"img"}
    svg = base64.b64decode(parsed.attributes["src"][0].partition(",")[2]).decode()
    assert "http" not in svg.replace('xmlns="http://www.w3.org/2000/svg"', "")
    assert ElementTree.fromstring(svg)[0].get("fill") == "#fcfcfb"
    assert parsed.attributes["alt"][0].startswith("Where every record went. sessions: 1 in the files")


# Progress


def test_progress_is_silent_outside_a_notebook(capfd):
    """In a script it shows nothing, and tells whoever asks."""
    told = []
    with Progress("Reading", 3, on_step=told.append) as progress:
        for _ in range(3):
            progress.step()

    assert told == [1, 2, 3]
    assert capfd.readouterr() == ("", "")


def test_importing_does_not_import_ipython():
    """The package costs a script nothing that only notebooks need."""
    code = "import sys, ait42nb.display, ait42nb.share; print({'IPython', 'nbconvert', 'nbformat'} & {*sys.modules})"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert run.stdout == "set()\n"


def test_progress_leaves_one_line(tmp_path):
    """An executed notebook keeps one quiet line a step, whatever was shown meanwhile; papermill's log gets it too."""
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

    run = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True)

    _, reading, writing = nbformat.read(tmp_path / "out.ipynb", as_version=4).cells
    assert [len(reading.outputs), len(writing.outputs)] == [1, 1]
    assert re.fullmatch(r"Reading <b>: 1,500 records in 0\.\d s", reading.outputs[0].data["text/plain"])
    assert "Reading &lt;b&gt;: 1,500 records" in reading.outputs[0].data["text/html"]
    assert "<progress" not in reading.outputs[0].data["text/html"]
    assert writing.outputs[0].data["text/plain"].startswith("Writing: stopped at 4 of 10 in ")
    assert [line.partition(" in ")[0] for line in run.stderr.splitlines() if line.endswith(" s")] == [
        "Reading <b>: 1,500 records",
        "Writing: stopped at 4 of 10",
    ]


# Credentials

LETTERS = "Ab3" * 100
CREDENTIALS = {
    "aws_key": "AKIA" + "ABCDEFGH12345678",
    "github_token": "ghp_" + LETTERS[:36],
    "gitlab_token": "glpat-" + LETTERS[:20],
    "slack_token": "xoxb-" + "123456789012-" + LETTERS[:20],
    "anthropic_key": "sk-ant-" + "api03-" + LETTERS[:80],
    "openai_key": "sk-" + "proj-" + LETTERS[:60],
    "google_key": "AIza" + LETTERS[:35],
    "json_web_token": "eyJ" + LETTERS[:20] + ".eyJ" + LETTERS[:30] + "." + LETTERS[:40],
    "private_key": "-----BEGIN RSA "
    + "PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n"
    + LETTERS
    + "\n-----END RSA "
    + "KEY-----",
    "bearer": "Bearer " + LETTERS[:30],
    "url_password": "//",  # only within an address, below
    "password": "",  # only behind its name, below
}


@pytest.mark.parametrize("kind", [kind for kind in CREDENTIALS if len(CREDENTIALS[kind]) > 2])
@pytest.mark.parametrize("around", ["{}", "鍵は{}です", 'x="{}";', "see ({}).", "\n{}\n"])
def test_credentials_are_masked(kind, around):
    """Each kind is found, also between Japanese letters, counted by its kind and never quoted."""
    text = around.format(CREDENTIALS[kind])

    assert count_credentials(text) == Counter({kind: 1})
    assert masked(text) == around.format(f"••••••({kind})")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("password=hunter2 next", "password=••••••(password) next"),
        ('{"token": "abc def", "x": 1}', '{"token": ••••••(password), "x": 1}'),
        ('"{\\"secret\\": \\"abc\\"}"', '"{\\"secret\\": ••••••(password)}"'),
        ("export API_KEY='abc'", "export API_KEY=••••••(password)"),
        ("パスワード：ひみつだよ", "パスワード：••••••(password)"),
        ("AWS_SECRET_ACCESS_KEY=wJalr/abc+def", "AWS_SECRET_ACCESS_KEY=••••••(password)"),
        ("postgres://aki:hunter2@db/x", "postgres://••••••(url_password)@db/x"),
    ],
)
def test_what_stands_behind_a_password_is_masked(text, expected):
    """The name of a password stays, its value goes."""
    assert masked(text) == expected
    assert count_credentials(text).total() == 1


@pytest.mark.parametrize(
    "text",
    [
        "0123456789abcdef" * 4,
        "the token was renewed; tokens: none",
        "https://example.org/a:b",
        "bearer of good news",
        "if password == other:",
        "sk-learn and sk-image",
        "task-ant-colony-optimisation-in-production",
        "9f86d081-884c-4d63-a159-1c3f0b2e7d55",
        "2025-11-01T09:00:00.123456789+00:00",
    ],
)
def test_ordinary_text_is_left_alone(text):
    """Hashes, ids, times and prose are no credentials."""
    assert masked(text) == text


@given(
    st.lists(st.one_of(st.sampled_from([*CREDENTIALS.values(), "password=", "token: ", '"', " "]), st.text(max_size=9)))
)
def test_nothing_is_left_to_mask(parts):
    """What was masked once has no credential in it."""
    assert not count_credentials(masked("".join(parts)))


@pytest.mark.parametrize(
    "text", ["a", "eyJ-", "://a", "glpat-", 'password="', "-----BEGIN PRIVATE KEY-----", "bearer "]
)
def test_hostile_text_costs_its_length(text):
    """No text makes the search quadratic: half a megabyte takes well under a second."""
    start = time.perf_counter()
    masked(text * (500_000 // len(text)))

    assert time.perf_counter() - start < 3
