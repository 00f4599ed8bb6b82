"""What a person sees: tables, notices, checklists, pictures and progress, from plain Python data.

Everything here shows without a kernel, in a notebook that nobody trusts, on light and dark pages and in an HTML file
without a network: inline styles only, and pictures as `<img>` with the SVG inside. Text is escaped in one place,
`tag`, which lets nothing through as markup but what `tag` itself made.
"""

from __future__ import annotations

import base64
import dataclasses
import html
import os
import re
import sys
import time
import unicodedata
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from itertools import islice

# Text, made safe ------------------------------------------------------------------------------------------------------

# What a reader cannot see but a terminal, a browser or an XML parser acts on: controls, bidirectional overrides,
# invisible spaces and tags, halves of surrogate pairs. The joiners of emoji (U+200D) and scripts (U+200C) stay.
_UNSEEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ud800-\udfff\ufeff"
    "\ufff9-\ufffb\ufffe\uffff\U000e0000-\U000e007f]"
)


def _name(found: re.Match[str]) -> str:
    code = ord(found[0])
    return chr(0x2400 + code) if code < 0x20 else "␡" if code == 0x7F else f"⟨U+{code:04X}⟩"


def visible(text: object) -> str:
    """The text with everything in it to be seen: `␛` for the escape character, `⟨U+202E⟩` for an override."""
    return _UNSEEN.sub(_name, str(text))


class Html(str):
    """Markup that `tag` or `join` made. Anything else is text, and is escaped; so is a sum of the two."""

    __slots__ = ()


def _leaf(part: object) -> str:
    if isinstance(part, Html):
        return part
    if isinstance(part, Shown):
        return part.html()
    if isinstance(part, (list, tuple, Iterator)):
        return "".join(map(_leaf, part))
    return "" if part is None else html.escape(visible(part))


def join(*parts: object) -> Html:
    """Markup and text, one after the other; the text escaped, `None` left out."""
    return Html(_leaf(parts))


def tag(name: str, *parts: object, **attributes: object) -> Html:
    """One element. Attributes that are `None` are left out; `_` in their names becomes `-`."""
    given = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{html.escape(visible(value))}"'
        for key, value in attributes.items()
        if value is not None
    )
    return Html(f"<{name}{given}/>" if name in ("img", "br") else f"<{name}{given}>{_leaf(parts)}</{name}>")


def _cells(character: str) -> int:
    """How many columns of a terminal a character takes: Japanese takes two."""
    if unicodedata.combining(character) or character == "\u200d":
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def _width(text: str) -> int:
    return len(text) if text.isascii() else sum(map(_cells, text))


def shorten(text: object, cells: int) -> str:
    """The text in one line of at most so many columns, with `…` for what is left out."""
    start = str(text)[: 4 * cells]  # a message may be megabytes
    line = re.sub(r"\s*\n\s*", " ⏎ ", visible(start).strip()).replace("\t", " ")
    if len(start) == len(str(text)) and _width(line) <= cells:
        return line
    room, kept = cells - 1, []
    for character in line:
        room -= _cells(character)
        if room < 0:
            break
        kept.append(character)
    return "".join(kept).rstrip() + "…"


def size(count: int) -> str:
    """Bytes in words: `1.2 MB`."""
    amount, unit = float(count), 0
    while amount >= 1000 and unit < 4:
        amount, unit = amount / 1000, unit + 1
    return f"{amount:.1f} {('bytes', 'kB', 'MB', 'GB', 'TB')[unit]}" if unit else f"{count} bytes"


# Building blocks ------------------------------------------------------------------------------------------------------

# Half transparent, so that they work on white and on black; a text's own colour is the page's.
_STROKE = "solid rgba(128,128,128,0.35)"
_LINE = f"1px {_STROKE}"
_SOFT = "rgba(128,128,128,0.10)"
_MONO = "font-family:ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;font-size:0.92em"
_FAINT = "opacity:0.72"
# JupyterLab centres tables, stripes their rows and right-aligns every cell; these undo it.
_TABLE = "border-collapse:collapse;border:none;margin:0;width:auto;table-layout:auto;font-size:13px;line-height:1.45"
_ROW = "background:transparent"


class Shown:
    """Something to show: markup for a page, and the same in plain text for everything else."""

    def html(self) -> Html:
        raise NotImplementedError

    def text(self) -> str:
        raise NotImplementedError

    def __str__(self) -> str:
        return self.text()

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, str]:
        return {"text/plain": self.text(), "text/html": str(self.html())}


def _plain(part: object) -> str:
    return part.text() if isinstance(part, Shown) else visible(part)


@dataclasses.dataclass(frozen=True)
class Code(Shown):
    """A hash, a path, a reason code: text in the typewriter's letters."""

    value: object

    def html(self) -> Html:
        wrap = "white-space:nowrap" if len(str(self.value)) <= 40 else "word-break:break-all"
        return tag("span", self.value, style=f"{_MONO};{wrap}")

    def text(self) -> str:
        return visible(self.value)


@dataclasses.dataclass(frozen=True)
class Badge(Shown):
    """One word on a colour, which never speaks alone; `kind` is one of `BADGES`."""

    kind: str
    word: str = ""

    def __post_init__(self) -> None:
        if self.kind not in BADGES:
            raise ValueError(f"unknown kind {self.kind!r}; there are {', '.join(BADGES)}")

    def html(self) -> Html:
        look = "color:#ffffff;border-radius:4px;padding:1px 8px;font-size:12px;font-weight:600;white-space:nowrap"
        return tag("span", self.word or BADGES[self.kind][1], style=f"background:{BADGES[self.kind][0]};{look}")

    def text(self) -> str:
        return f"[{visible(self.word or BADGES[self.kind][1])}]"


# Each colour carries white letters at a contrast of 4.5 or more.
BADGES = {
    "good": ("#1b7a46", "Good"),
    "dry_run": ("#5a55b8", "Dry run"),
    "info": ("#2a6496", "Note"),
    "warning": ("#a85a00", "Warning"),
    "failed": ("#b83227", "Failed"),
    "blocking": ("#b83227", "Blocking"),
}


@dataclasses.dataclass(frozen=True)
class Stack(Shown):
    """Several things, one below the other, as one output. A text is a paragraph; `None` is left out."""

    parts: tuple[object, ...]

    def __init__(self, *parts: object) -> None:
        object.__setattr__(self, "parts", tuple(part for part in parts if part is not None))

    def html(self) -> Html:
        return join(*(tag("div", part, style="margin:0 0 12px 0") for part in self.parts))

    def text(self) -> str:
        return "\n\n".join(map(_plain, self.parts))


@dataclasses.dataclass(frozen=True)
class Details(Shown):
    """What only some readers want, folded away under its title."""

    title: str
    parts: tuple[object, ...]

    def __init__(self, title: str, *parts: object) -> None:
        object.__setattr__(self, "title", title)
        object.__setattr__(self, "parts", parts)

    def html(self) -> Html:
        title = tag("summary", self.title, style="cursor:pointer;font-weight:600;padding:4px 0")
        return tag("details", title, tag("div", Stack(*self.parts), style="padding:6px 0 0 14px"))

    def text(self) -> str:
        return f"{visible(self.title)}\n\n{Stack(*self.parts).text()}"


@dataclasses.dataclass(frozen=True)
class Notice(Shown):
    """The one thing to know, in a box: what happened, and what it means. `kind` is one of `BADGES`."""

    kind: str
    title: str
    body: object = None

    def __post_init__(self) -> None:
        Badge(self.kind)

    def html(self) -> Html:
        words = "margin-top:5px;white-space:pre-line;overflow-wrap:break-word"
        box = (
            f"border:{_LINE};border-left:5px solid {BADGES[self.kind][0]};border-radius:6px;background:{_SOFT};"
            "padding:10px 14px;margin:6px 0;max-width:960px;font-size:14px;line-height:1.5"
        )
        return tag(
            "div",
            tag("div", Badge(self.kind), "\u2002", tag("strong", self.title)),
            tag("div", self.body, style=words) if self.body else None,
            style=box,
        )

    def text(self) -> str:
        body = "" if not self.body else "\n" + _indent(_plain(self.body))
        return f"{Badge(self.kind).text()} {visible(self.title)}{body}"


def _indent(text: str) -> str:
    return "\n".join("  " + line for line in text.split("\n"))


@dataclasses.dataclass(frozen=True)
class Step:
    """One line of a checklist: `kind` is good, warning or blocking; the remedy says what to do about it."""

    kind: str
    title: str
    remedy: str = ""


@dataclasses.dataclass(frozen=True)
class Steps(Shown):
    """A checklist, such as what was looked at before a run."""

    steps: Sequence[Step]
    caption: str = ""

    @property
    def blocked(self) -> bool:
        return any(step.kind == "blocking" for step in self.steps)

    def html(self) -> Html:
        cell = "padding:4px 12px 4px 0;text-align:left;vertical-align:top;border:none"
        rows = (
            tag(
                "tr",
                tag("td", Badge(step.kind), style=cell),
                tag("td", step.title, tag("div", step.remedy, style=_FAINT) if step.remedy else None, style=cell),
                style=_ROW,
            )
            for step in self.steps
        )
        return join(_caption("div", self.caption), tag("table", tag("tbody", rows), style=_TABLE))

    def text(self) -> str:
        badges = [Badge(step.kind).text() for step in self.steps]
        room = max(map(_width, badges), default=0)
        lines = [visible(self.caption)] if self.caption else []
        for badge, step in zip(badges, self.steps, strict=True):
            lines.append(f"{_pad(badge, room)} {visible(step.title)}")
            if step.remedy:
                lines.append(f"{' ' * room} {visible(step.remedy)}")
        return "\n".join(lines)


def _caption(name: str, caption: str) -> Html | None:
    style = "caption-side:top;text-align:left;font-weight:600;font-size:14px;padding:2px 0 6px 0"
    return tag(name, caption, style=style) if caption else None


# Tables ---------------------------------------------------------------------------------------------------------------

_SHORT, _LINES, _LONG = 120, 60, 20_000  # columns of a cell on the page, in plain text; characters of its whole text


@dataclasses.dataclass(frozen=True)
class Table(Shown):
    """Rows under headings: mappings, dataclasses or sequences, with plain values or anything `Shown` in them.

    columns: key -> heading, or the headings of sequences in their order; without it the first row's keys.
    total:   a last row (a row like the others), or True to add up the columns of numbers.
    of:      how many rows there are in all, where `rows` are only the first of them.
    limit:   how many rows are shown; the rest is counted.
    right:   columns set to the right though they are no numbers, such as sizes.
    empty:   what stands in place of a table without rows.
    """

    rows: Iterable[object]
    columns: Mapping[str, str] | Sequence[str] | None = None
    caption: str = ""
    total: object = None
    empty: str = "none"
    of: int | None = None
    limit: int = 50
    right: Collection[str] = ()

    def __post_init__(self) -> None:
        rows, columns = list(self.rows), self.columns
        if columns is None:
            columns = list(_keys(rows[0])) if rows else ()
        heads = dict(columns) if isinstance(columns, Mapping) else {key: key.replace("_", " ") for key in columns}
        object.__setattr__(self, "columns", heads)
        object.__setattr__(self, "rows", [_values(row, heads) for row in rows])
        if self.total is True:
            sums = [sum(value or 0 for value in side) if _counts(side) else "" for side in self._sides()]
            object.__setattr__(self, "total", ["total", *sums[1:]] if sums and sums[0] == "" else sums)
        if self.total:
            object.__setattr__(self, "total", _values(self.total, heads) if rows else None)

    def _sides(self) -> list[tuple[object, ...]]:
        return list(zip(*self.rows, strict=True))

    def _right(self) -> list[bool]:
        return [_counts(side) or key in self.right for key, side in zip(self.columns, self._sides(), strict=True)]

    def _more(self) -> str:
        left = max(self.of or 0, len(self.rows)) - min(len(self.rows), self.limit)
        return f"… and {left:,} more" if left > 0 else ""

    def html(self) -> Html:
        if not self.rows:
            return join(_caption("div", self.caption), tag("div", self.empty, style=_FAINT))
        sides = ["right;white-space:nowrap" if right else "left" for right in self._right()]

        def line(values: Iterable[object], name: str = "td", extra: str = "") -> Html:
            cells = zip(values, sides, strict=True)
            return tag("tr", (tag(name, _cell(value), style=_CELL + side + extra) for value, side in cells), style=_ROW)

        foot = []
        if more := self._more():
            foot.append(tag("tr", tag("td", more, colspan=len(sides), style=f"{_CELL}left;{_FAINT}"), style=_ROW))
        if self.total:
            foot.append(line(self.total, extra=f";font-weight:600;border-top:{_LINE};border-bottom:none"))
        return tag(
            "table",
            _caption("caption", self.caption),
            tag("thead", line(self.columns.values(), "th", _HEAD)),
            tag("tbody", (line(row) for row in self.rows[: self.limit])),
            tag("tfoot", foot) if foot else None,
            style=_TABLE,
        )

    def text(self) -> str:
        lines = [visible(self.caption)] if self.caption else []
        if not self.rows:
            return "\n".join([*lines, visible(self.empty)])
        shown, right = self.rows[: self.limit], self._right()
        grid = [[shorten(_words(value), _LINES) for value in row] for row in [self.columns.values(), *shown]]
        last = [shorten(_words(value), _LINES) for value in self.total] if self.total else None
        room = [max(map(_width, side)) for side in zip(*grid, *([last] if last else []), strict=True)]

        def line(cells: Iterable[str]) -> str:
            return "  ".join(map(_pad, cells, room, right)).rstrip()

        lines += [line(grid[0]), line("─" * width for width in room), *map(line, grid[1:])]
        if more := self._more():
            lines.append(more)
        if last:
            lines.append(line(last))
        return "\n".join(lines)


_CELL = f"padding:4px 14px 4px 0;vertical-align:top;border:none;border-bottom:{_LINE};max-width:640px;text-align:"
_HEAD = f";font-weight:600;vertical-align:bottom;border-bottom:2px {_STROKE}"


def _counts(values: Iterable[object]) -> bool:
    """Whether these are numbers and nothing else."""
    known = [value for value in values if value is not None]
    return bool(known) and all(isinstance(value, (int, float)) and not isinstance(value, bool) for value in known)


def _keys(row: object) -> Iterable[str]:
    if isinstance(row, Mapping):
        return row
    if dataclasses.is_dataclass(row):
        return (field.name for field in dataclasses.fields(row))
    return map(str, range(1, len(row) + 1))


def _values(row: object, columns: Mapping[str, str]) -> tuple[object, ...]:
    if isinstance(row, Mapping):
        return tuple(row.get(key) for key in columns)
    if dataclasses.is_dataclass(row):
        return tuple(getattr(row, key) for key in columns)
    values = tuple(row)
    if len(values) != len(columns):
        raise ValueError(f"a row of {len(values)} values under {len(columns)} headings")
    return values


def _words(value: object) -> str:
    """A value as people write it."""
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:,.2f}" if isinstance(value, float) else _plain(value)


def _cell(value: object) -> object:
    """A value on the page: long text in one line, the whole of it folded away below."""
    if isinstance(value, Shown):
        return value
    words = _words(value)
    short = shorten(words, _SHORT)
    if short == words.strip():
        return tag("span", words, style="overflow-wrap:break-word")
    rest = len(words) - _LONG
    whole = tag(
        "div",
        words[:_LONG],
        f"\n… and {rest:,} characters more" if rest > 0 else None,
        style=f"white-space:pre-wrap;word-break:break-all;max-height:360px;overflow:auto;padding:6px 0;{_MONO}",
    )
    return tag("details", tag("summary", short, style="cursor:pointer;overflow-wrap:break-word"), whole)


def _pad(text: str, room: int, right: bool = False) -> str:
    gap = " " * (room - _width(text))
    return gap + text if right else text + gap


# Pictures -------------------------------------------------------------------------------------------------------------

# Colours that every kind of colour vision tells apart, on paper of their own, whatever the page's.
_PAPER, _INK, _GREY, _RULE = "#fcfcfb", "#24292f", "#6b7280", "#e3e5e8"
_SERIES = ("#33709f", "#e8a33d", "#4fc48a", "#b6354a", "#77a5c5", "#4c3663")
_OTHERS = "#b4b8bd"
_FONTS = "system-ui,-apple-system,'Segoe UI','Hiragino Sans','Noto Sans CJK JP','Noto Sans JP','Yu Gothic',sans-serif"


@dataclasses.dataclass(frozen=True)
class Picture(Shown):
    """A drawing, with what it says in words for those who cannot see it."""

    svg: Html
    alt: str
    words: str

    def html(self) -> Html:
        source = "data:image/svg+xml;base64," + base64.b64encode(self.svg.encode()).decode()
        return tag("img", src=source, alt=self.alt, style="width:100%;max-width:960px;height:auto;border-radius:8px")

    def text(self) -> str:
        return self.words


def _svg(height: float, *parts: object) -> Html:
    paper = tag("rect", width=960, height=f"{height:g}", rx=8, fill=_PAPER, stroke=_RULE)
    frame = {"xmlns": "http://www.w3.org/2000/svg", "viewBox": f"0 0 960 {height:g}", "font-family": _FONTS}
    return tag("svg", paper, *parts, width=960, height=f"{height:g}", **frame)


def _put(x: float, y: float, words: object, size: int = 13, fill: str = _INK, **more: object) -> Html:
    return tag("text", words, x=f"{x:g}", y=f"{y:g}", font_size=size, fill=fill, **more)


def _box(x: float, y: float, width: float, height: float, fill: str, **more: object) -> Html:
    place = {"x": f"{x:.2f}", "y": f"{y:.2f}", "width": f"{width:.2f}", "height": f"{height:.2f}"}
    return tag("rect", **place, fill=fill, **more)


OUTCOMES = {
    "inserted": ("inserted", "#33709f"),
    "updated": ("updated", "#5fa9dd"),
    "unchanged": ("unchanged", "#9aa3ad"),
    "database_newer": ("database newer", "#7e1b5d"),
    "shadowed": ("shadowed", "#c2ad29"),
    "held": ("held", "#dd705f"),
}


def flow_picture(balance: Mapping[str, Mapping[str, int]], title: str = "Where every record went") -> Picture:
    """The books as streams: from the files to each outcome, for sessions, instances and messages.

    A stream is as thick as its share, but never too thin to be seen; an outcome without records keeps its place, pale.
    """
    kinds = [kind for kind in ("sessions", "instances", "messages") if kind in balance]
    panels, heights, alt = [], [0.0], []
    for place, kind in enumerate(kinds):
        book = balance[kind]
        drawn, height = _streams(book, 24 + 312 * place)
        panels += [_put(24 + 312 * place, 68, kind.capitalize(), 15, font_weight=600), drawn]
        heights.append(height)
        told = ", ".join(f"{book.get(key, 0):,} {name}" for key, (name, _) in OUTCOMES.items() if book.get(key))
        alt.append(f"{kind}: {book.get('source', 0):,} in the files" + (f", of them {told}." if told else "."))
    heads = {"source": "source"} | {key: name for key, (name, _) in OUTCOMES.items()}
    words = Table([(kind, *(balance[kind].get(key, 0) for key in heads)) for kind in kinds], {"": ""} | heads, title)
    svg = _svg(max(heights) + 20, _put(24, 34, title, 16, font_weight=600), panels)
    return Picture(svg, " ".join([visible(title) + ".", *alt]), words.text())


def _streams(book: Mapping[str, int], left: float) -> tuple[Html, float]:
    """One kind's panel from `left` on, and how far down it reaches."""
    thickest, thinnest, top = 120.0, 3.0, 104.0
    counts = {key: book.get(key, 0) for key in OUTCOMES}
    whole, some = sum(counts.values()), sum(count > 0 for count in counts.values())
    # In proportion above the thinnest: the sum is the source's bar, and the order of sizes is true.
    thick = {
        key: thinnest + (thickest - thinnest * some) * count / whole if count else 0.0 for key, count in counts.items()
    }
    drawn = [_put(left, 88, f"{book.get('source', 0):,} in the files", 13, _GREY)]
    middles, down = {}, top
    for key, breadth in thick.items():
        middles[key] = down + max(breadth, 18.0) / 2
        down += max(breadth, 18.0) + 6
    used = [middles[key] for key in OUTCOMES if counts[key]] or [top]
    start = max(top, (used[0] + used[-1] - thickest) / 2)
    if whole:
        drawn.append(_box(left, start, 9, thickest, "#3d4650", rx=2))
    for key, (name, colour) in OUTCOMES.items():
        breadth, middle = thick[key], middles[key]
        if breadth:
            y0, y1 = start, middle - breadth / 2
            x0, x1 = left + 9, left + 96
            bend = (x0 + x1) / 2
            path = (
                f"M{x0:g} {y0:.2f}C{bend:g} {y0:.2f} {bend:g} {y1:.2f} {x1:g} {y1:.2f}V{y1 + breadth:.2f}"
                f"C{bend:g} {y1 + breadth:.2f} {bend:g} {y0 + breadth:.2f} {x0:g} {y0 + breadth:.2f}Z"
            )
            drawn += [
                tag("path", d=path, fill=colour, fill_opacity=0.42),
                _box(x1, y1, 7, breadth, colour, rx=min(2.0, breadth / 2)),
            ]
            start += breadth
        count = tag("tspan", f"{counts[key]:,}", font_weight=600 if breadth else None)
        drawn.append(_put(left + 111, middle + 4.5, [count, f" {name}"], 13, _INK if breadth else "#a3a8af"))
    off = book.get("source", 0) - whole
    if off:
        words = f"does not balance: {abs(off):,} {'missing' if off > 0 else 'too many'}"
        drawn.append(_put(left, down + 14, words, 13, "#b83227", font_weight=600))
        down += 20
    return join(*drawn), down


def bar_picture(title: str, counts: Mapping[str, int], limit: int = 20) -> Picture:
    """One bar for each label, in the order given; what is beyond the limit is one bar more, `others`."""
    bars = [(str(label), count, _SERIES[0]) for label, count in islice(counts.items(), limit)]
    rest = list(counts.values())[limit:]
    if rest:
        bars.append((f"{len(rest):,} others", sum(rest), _OTHERS))
    labels = [shorten(label, 34) or "–" for label, _, _ in bars]
    room = min(290.0, 8.0 * max(map(_width, labels), default=0))
    most = max((count for _, count, _ in bars), default=0)
    left, across, drawn = 36 + room, 960 - 36 - room - 130, []
    for row, (label, (_, count, colour)) in enumerate(zip(labels, bars, strict=True)):
        y, length = 56 + 28 * row, max(3.0, across * count / most) if count else 0.0
        drawn += [
            _put(24 + room, y + 14.5, label, fill=_INK, text_anchor="end"),
            _box(left, y, length, 20, colour, rx=3),
            _put(left + length + 8, y + 14.5, f"{count:,}", fill=_INK if count else _GREY, font_weight=600),
        ]
    if not bars:
        drawn.append(_put(24, 70, "none", fill=_GREY))
    told = "; ".join(f"{label}: {count:,}" for label, (_, count, _) in zip(labels, bars, strict=True)) or "none"
    words = Table([(label, count) for label, count, _ in bars], ["name", "count"], title, limit=len(bars))
    svg = _svg(72 + 28 * max(1, len(bars)), _put(24, 34, shorten(title, 100), 16, font_weight=600), drawn)
    return Picture(svg, f"{visible(title)}. {told}.", words.text())


_MONTH = re.compile(r"([0-9]{4})-(0[1-9]|1[0-2])")
_SLOTS = 120  # columns that can be told apart


def history_picture(title: str, rows: Iterable[tuple[str, str, int]]) -> Picture:
    """Counts by month (`YYYY-MM`), series upon series; by year where the months are too many.

    Months without records keep their place. Rows whose month cannot be read are counted below the picture.
    """
    known, untimed, totals = [], 0, Counter()
    for month, series, count in rows:
        if found := _MONTH.fullmatch(str(month)):
            known.append((12 * int(found[1]) + int(found[2]) - 1, str(series), count))
            totals[str(series)] += count
        else:
            untimed += count
    names = [name for name, _ in totals.most_common(len(_SERIES))]
    if len(totals) > len(names) and "others" not in names:
        names.append("others")
    step = 12 if known and max(known)[0] - min(known)[0] >= _SLOTS else 1
    stacks: dict[int, Counter[str]] = {}
    for month, series, count in known:
        stacks.setdefault(month // step, Counter())[series if series in names else "others"] += count
    if stacks and max(stacks) - min(stacks) < _SLOTS:
        stacks |= {slot: Counter() for slot in range(min(stacks), max(stacks)) if slot not in stacks}
    slots = sorted(stacks)
    older = sum(stacks.pop(slot).total() for slot in slots[:-_SLOTS])
    notes = [f"{older:,} are older"] if older else []
    notes += [f"{untimed:,} without a readable month"] if untimed else []
    notes += [] if stacks or notes else ["none"]

    columns = {(f"{n:04d}" if step == 12 else f"{n // 12:04d}-{n % 12 + 1:02d}"): stacks[n] for n in slots[-_SLOTS:]}
    table = [(called, *(stack[name] for name in names)) for called, stack in columns.items() if stack]
    heads = ["year" if step == 12 else "month", *(shorten(name, 30) or "–" for name in names)]
    words = [Table(table, dict(enumerate(heads)), title, total=True, limit=_SLOTS).text(), *notes]
    alt = [visible(title), *notes]
    if columns:
        first, *_, last = [*columns, *columns]
        peak = max(columns, key=lambda called: columns[called].total())
        sums = "; ".join(f"{shorten(name, 30)}: {count:,}" for name, count in totals.most_common(len(_SERIES)))
        alt[1:1] = [f"{first} to {last}, most in {peak} ({columns[peak].total():,})", sums]
    svg = _stacked(shorten(title, 100), names, columns, "; ".join(notes))
    return Picture(svg, " ".join(f"{part}." for part in alt), "\n".join(words))


def _stacked(title: str, names: Sequence[str], columns: Mapping[str, Counter[str]], note: str) -> Html:
    """Columns of stacked parts, with a legend above and a scale beside them."""
    colours = dict(zip(names, [*_SERIES[: len(names)], _OTHERS], strict=False))
    drawn: list[object] = [_put(24, 34, title, 16, font_weight=600)]
    x, top = 24.0, 58.0
    for name in names:
        label = shorten(name, 30) or "–"
        if x > 24 and x + 22 + 8 * _width(label) > 936:
            x, top = 24.0, top + 22
        drawn += [_box(x, top - 10, 12, 12, colours[name], rx=2), _put(x + 18, top, label)]
        x += 38 + 7.2 * _width(label)
    tick, ticks = _ticks(max((stack.total() for stack in columns.values()), default=0))
    left, right, top, bottom = 40 + 7.6 * len(f"{tick * ticks:,}"), 936.0, top + 22, top + 232
    for number in range(ticks + 1):
        y = bottom - (bottom - top) * number / ticks
        drawn += [
            _box(left, y - 0.5, right - left, 1, _RULE if number else _OTHERS),
            _put(left - 8, y + 4, f"{tick * number:,}", 12, _GREY, text_anchor="end"),
        ]
    pitch = (right - left) / max(1, len(columns))
    breadth = min(46.0, pitch * 0.76)
    every = next(n for n in (1, 2, 3, 6, 12, 24) if n * pitch >= 62)
    for place, (called, stack) in enumerate(columns.items()):
        x, y = left + pitch * place + (pitch - breadth) / 2, bottom - 0.5
        for name in names:
            if count := stack[name]:
                height = max(1.5, (bottom - top) * count / (tick * ticks))
                y -= height
                drawn.append(_box(x, y, breadth, max(0.8, height - 0.6), colours[name]))
        if place % every == 0:
            drawn.append(_put(x + breadth / 2, bottom + 19, called, 12, _GREY, text_anchor="middle"))
    if note:
        drawn.append(_put(24, bottom + 46, note, 12, _GREY))
    return _svg(bottom + (60 if note else 36), drawn)


def _ticks(most: int) -> tuple[int, int]:
    """A round distance between the lines of a scale, and how many of them it takes to hold `most`."""
    unit = 1
    while unit * 5 < most:
        unit = unit * 5 // 2 if str(unit)[0] == "2" else unit * 2
    return unit, max(1, -(-most // unit))


# Progress -------------------------------------------------------------------------------------------------------------


class Progress:
    """How far a long step is: a bar while it runs, one quiet line afterwards.

    In a kernel it is one output, renewed at most five times a second, and the same line on the terminal of a papermill
    that runs it. Anywhere else nothing is shown; `on_step` is called with what is done, if given.
    """

    def __init__(
        self, label: str, total: int | None = None, on_step: Callable[[int], object] | None = None, unit: str = ""
    ) -> None:
        self.label, self.total, self.done, self.unit = shorten(label, 40), total, 0, unit
        self._on_step, self._start, self._shown = on_step, time.monotonic(), 0.0
        self._closed, self._handle, self._terminal, self._live = False, None, None, False
        shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
        if getattr(shell, "kernel", None) is None:
            return
        from IPython.display import display

        # ipykernel keeps papermill's own stderr here; what goes there is in no notebook (JupyterLab's is a log).
        if "JPY_SESSION_NAME" not in os.environ:
            self._terminal = getattr(sys.stderr, "_original_stdstream_copy", None)
            self._live = self._terminal is not None and os.isatty(self._terminal)
        self._handle = display(self._bundle(), raw=True, display_id=True)

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        self.close(stopped=kind is not None)

    def step(self, count: int = 1) -> None:
        self.done += count
        if self._on_step:
            self._on_step(self.done)
        if self._handle and time.monotonic() - self._shown >= 0.2:
            self._shown = time.monotonic()
            self._handle.update(self._bundle(), raw=True)
            if self._live:
                self._write(f"\r\x1b[K{self._line()}")

    def close(self, stopped: bool = False) -> None:
        """Leave one line; after an error it says how far the step came."""
        if self._closed:
            return
        self._closed = True
        if self._handle:
            line = self._line(stopped=stopped)
            self._handle.update(
                {"text/plain": line, "text/html": str(tag("div", line, style=f"{_FAINT};font-size:13px"))}, raw=True
            )
            self._write(("\r\x1b[K" if self._live else "") + line + "\n")

    def _line(self, stopped: bool = False) -> str:
        seconds = time.monotonic() - self._start
        unit = f" {self.unit}" if self.unit else ""
        if self._closed:
            of = f" of {self.total:,}" if self.total is not None and (stopped or self.done != self.total) else ""
            how = "stopped at " if stopped else ""
            return f"{self.label}: {how}{self.done:,}{of}{unit} in {seconds:,.1f} s"
        of = f" of {self.total:,}" if self.total is not None else ""
        rate = f", {self.done / seconds:,.0f} a second" if self.done and seconds >= 1 else ""
        return f"{self.label}: {self.done:,}{of}{unit}{rate}"

    def _bundle(self) -> dict[str, str]:
        line = self._line()
        bar = tag(
            "progress",
            max=self.total or None,
            value=min(self.done, self.total) if self.total else None,
            style="width:220px;height:12px;vertical-align:middle",
        )
        return {"text/plain": line, "text/html": str(tag("div", bar, "\u2002", line, style="font-size:13px"))}

    def _write(self, words: str) -> None:
        if self._terminal is not None:
            os.write(self._terminal, words.encode(errors="replace"))


# Credentials ----------------------------------------------------------------------------------------------------------

# ASCII boundaries, because Japanese stands next to a key without a blank. Every repetition is bounded or begins where
# the run begins, so that a hostile text costs no more than its length.
_CREDENTIALS = {
    kind: re.compile(pattern, re.ASCII)
    for kind, pattern in {
        "private_key": r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY[A-Z ]{0,20}-----(?:(?!-----)[\s\S]){0,20000}"
        r"(?:-----END [^-]{0,60}-----)?",
        "aws_key": r"(?<![A-Za-z0-9])(?:AKIA|ASIA|AGPA|AROA|AIDA|ANPA|ABIA)[0-9A-Z]{16}(?![A-Za-z0-9])",
        "github_token": r"(?<![A-Za-z0-9])(?:gh[oprsu]_[A-Za-z0-9]{36,255}|github_pat_\w{22,255})",
        "gitlab_token": r"(?<![A-Za-z0-9])gl(?:pat|ptt|dt|rt|cbt|ft|oas|soat|agent)-[\w.-]{20,255}",
        "slack_token": r"(?<![A-Za-z0-9])(?:xox[a-z](?:\.xox[a-z])?|xapp)-[\w-]{10,255}"
        r"|(?<=hooks\.slack\.com/)(?:services|workflows|triggers)/[\w/-]{20,255}",
        "anthropic_key": r"(?<![A-Za-z0-9])sk-ant-[\w-]{16,255}",
        "openai_key": r"(?<![A-Za-z0-9])sk-(?!ant-)(?:(?:proj|svcacct|admin)-[\w-]{20,255}|[A-Za-z0-9_]{20,255})",
        "google_key": r"(?<![A-Za-z0-9])(?:AIza[\w-]{35,255}|ya29\.[\w-]{20,1024}|GOCSPX-[\w-]{20,64})",
        "json_web_token": r"(?<![\w-])eyJ[\w-]{8,8192}\.eyJ[\w-]{4,8192}(?:\.[\w-]{0,8192})?",
        "url_password": r"(?<=://)[^\s/:@•]{0,100}:[^\s/@•]{1,200}(?=@)",
        "bearer": r"(?i)(?<![a-z0-9])(?:bearer|basic)[ \t]{1,8}(?=[\w.~+/-]{0,255}[0-9])[\w.~+/-]{16,8192}={0,2}",
        "password": r"(?i)(?:password|passwd|passphrase|pwd|secret|(?:api|access|secret|private)[ _-]?key|token"
        r"|credential|パスワード|暗証番号|秘密鍵|トークン)"
        r"\\?[\"']?[ \t]{0,8}(?::=|=>|[:=：＝])[ \t]{0,8}"
        r"(?P<value>\\?\"[^\"\n•]{1,4000}\"|\\?'[^'\n•]{1,4000}'|[^\s\"'\\•,;(){}<>\[\]=][^\s\"'•,;(){}<>\[\]]{2,500})",
    }.items()
}


def _search(text: str) -> tuple[str, Counter[str]]:
    found: Counter[str] = Counter()
    for kind, pattern in _CREDENTIALS.items():

        def mask(match: re.Match[str], kind: str = kind) -> str:
            found[kind] += 1
            whole, value = match[0], match.groupdict().get("value")
            # A key's name stays: `password=` tells the reader what was there.
            return (whole[: len(whole) - len(value)] if value else "") + f"••••••({kind})"

        text = pattern.sub(mask, text)
    return text, found


def masked(text: str) -> str:
    """The text without what looks like a credential; `••••••(github_token)` stands where one was."""
    return _search(text)[0]


def count_credentials(text: str) -> Counter[str]:
    """How many things in the text look like a credential, by kind; never what they are."""
    return _search(text)[1]
