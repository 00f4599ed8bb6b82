"""Pictures: every count is written, nothing leaves the paper, and hostile texts stay text."""

from __future__ import annotations

import base64
import re
from itertools import combinations
from math import dist
from xml.etree import ElementTree

import pytest
from hypothesis import given
from test_display import Parsed, check_markup, linear, texts

from ait42nb import pictures
from ait42nb.display import Shown
from ait42nb.pictures import (
    ENDS,
    OUTCOMES,
    Picture,
    Span,
    bar_picture,
    flow_picture,
    history_picture,
    lanes_picture,
)

# One of each, with a foreign text wherever one can stand.
PICTURES = {
    "flow": lambda text: flow_picture({"sessions": {"source": 2, "inserted": 1, "held": 1}}, text),
    "bars": lambda text: bar_picture(text, {text: 3, "b": 0}, limit=5),
    "history": lambda text: history_picture(text, [("2025-01", text, 3), (text, text, 1)]),
    "lanes": lambda text: lanes_picture(text, [Span(text, 0, 1, "ok", text), Span("b", 1, 2, "lost", text)]),
}
SVG_TAGS = {"svg", "rect", "path", "text", "tspan", "title"}


def svg_of(shown: Shown) -> ElementTree.Element:
    """The picture's SVG, read by a strict parser."""
    return ElementTree.fromstring(shown.svg)


@pytest.mark.parametrize("name", PICTURES)
@given(text=texts)
def test_hostile_text_stays_text(name, text):
    """Whatever stands in a text, the drawing has our elements only."""
    picture = PICTURES[name](text)

    check_markup(picture)
    assert {element.tag.rpartition("}")[2] for element in svg_of(picture).iter()} <= SVG_TAGS


def drawn(picture: Picture) -> list[str]:
    """Every text that the picture shows."""
    return ["".join(element.itertext()) for element in svg_of(picture).iter() if element.tag.endswith("}text")]


BALANCE = {
    "sessions": dict(zip(["source", *OUTCOMES], [1, 1, 0, 0, 0, 0, 0], strict=True)),
    "instances": dict.fromkeys(["source", *OUTCOMES], 0),
    "messages": dict(zip(["source", *OUTCOMES], [10_000_000, 9_999_995, 1, 1, 1, 1, 1], strict=True)),
    "files": {"found": 1},
}


# What people see who lack one kind of cone, as matrices in linear light (Machado, Oliveira and Fernandes 2009).
VISION = {
    "usual": ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
    "no red": ((0.152, 1.053, -0.205), (0.115, 0.786, 0.099), (-0.004, -0.048, 1.052)),
    "no green": ((0.367, 0.861, -0.228), (0.280, 0.673, 0.047), (-0.012, 0.043, 0.969)),
    "no blue": ((1.256, -0.077, -0.179), (-0.078, 0.931, 0.148), (0.005, 0.691, 0.304)),
}


def _lab(colour: str, vision: tuple) -> tuple[float, float, float]:
    """A colour as somebody sees it, in CIELAB, where distances are differences."""
    light = [linear(colour, i) for i in (1, 3, 5)]
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
    """Any two series, any two outcomes, and any two ends differ for every kind of colour vision."""
    named = [[colour for _, colour in names.values()] for names in (OUTCOMES, ENDS)]
    for colours in ([*pictures._SERIES, pictures._OTHERS], *named):
        seen = [_lab(colour, VISION[vision]) for colour in colours]
        assert min(dist(a, b) for a, b in combinations(seen, 2)) > 15


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


def test_lanes_show_who_did_what_when():
    """Each worker has its lane, each run its box from begin to end; workers beyond the limit share the last lane."""
    spans = [Span("b", 5, 10, "ok", "home 2"), Span("a", 0, 5, "lost", "home 1"), Span("a", 6, 10, "ok", "home 1")]
    picture = lanes_picture("Runs", spans)

    boxes = [box for box in svg_of(picture) if box.get("height") == "16.00"]
    assert [box[0].text for box in boxes] == [
        "home 1: worker lost, 5.0 s",
        "home 2: complete, 5.0 s",
        "home 1: complete, 4.0 s",
    ]
    first, second, third = [(float(box.get("x")), float(box.get("y")), float(box.get("width"))) for box in boxes]
    assert first[1] == third[1] < second[1]
    assert first[0] + first[2] <= second[0] < third[0]
    assert third[0] + third[2] <= 936
    assert {"1", "2", "complete: 2", "worker lost: 1", "10 s"} <= set(drawn(picture))
    assert picture.alt == "Runs. 2 workers in 10 s. complete: 2; worker lost: 1."

    many = lanes_picture("Runs", [Span(str(n), n, n + 1, "ok", "home") for n in range(40)], limit=32)
    assert len({box.get("y") for box in svg_of(many) if box.get("height") == "16.00"}) == 32
    assert "none" in lanes_picture("Empty", []).alt


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

    bars = [box for box in svg_of(picture) if box.get("fill") == pictures._SERIES[0] and box.get("width") != "12.00"]
    assert len(bars) <= 120
    assert all(float(box.get("x")) > 26 and float(box.get("x")) + float(box.get("width")) <= 937 for box in bars)
    older = sum(
        int(found[1].replace(",", "")) for found in re.finditer(r"([\d,]+) are older", " ".join(drawn(picture)))
    )
    total = re.search(r"^total +([\d,]+)$", str(picture), re.MULTILINE)
    assert older + (int(total[1].replace(",", "")) if total else 0) == len(months)


def test_what_the_editor_names_keeps_its_colour():
    """A status looks the same whatever else there is and however often; no two series share a colour."""

    def colours(*rows):
        boxes = [box for box in svg_of(history_picture("x", rows)) if box.get("width") == "12.00"]
        return dict(zip([row[1] for row in rows], [box.get("fill") for box in boxes], strict=True))

    both = colours(("2025-01", "failed", 9), ("2025-01", "completed", 5))
    mixed = colours(
        ("2025-01", "新しい", 9), ("2025-01", "completed", 5), ("2025-01", "debate", 3), ("2025-01", "failed", 1)
    )

    assert (both["failed"], both["completed"]) == (mixed["failed"], mixed["completed"])
    assert len({*mixed.values()}) == 4


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
