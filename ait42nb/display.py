"""What a person sees: tables, notices, checklists and progress, from plain Python data (pictures: `pictures`).

Everything here shows without a kernel, in a notebook that nobody trusts, on light and dark pages and in an HTML file
without a network: inline styles only, and pictures as `<img>` with the SVG inside. Text is escaped in one place,
`tag`, which lets nothing through as markup but what `tag` itself made.
"""

from __future__ import annotations

import dataclasses
import html
import os
import re
import sys
import time
import unicodedata
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import TypeVar

T = TypeVar("T")

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


def width(text: str) -> int:
    """How many columns of a terminal a text takes."""
    return len(text) if text.isascii() else sum(map(_cells, text))


def shorten(text: object, cells: int) -> str:
    """The text in one line of at most so many columns, with `…` for what is left out."""
    start = str(text)[: 4 * cells]  # a message may be megabytes
    line = re.sub(r"\s*\n\s*", " ⏎ ", visible(start).strip()).replace("\t", " ")
    if len(start) == len(str(text)) and width(line) <= cells:
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


def counted(number: int, one: str, many: str = "") -> str:
    """A number with what it counts: `1 file`, `1,024 files`."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


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
class Pre(Shown):
    """Text as it stands, line for line; `even` in letters of one breadth, as a terminal shows it."""

    value: object
    even: bool = True

    def html(self) -> Html:
        look = f"{_MONO};line-height:1.35" if self.even else "line-height:1.5"
        return tag("div", self.value, style=f"{look};white-space:pre-wrap;overflow-wrap:anywhere;font-size:13px")

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
    """Several things, one below the other, as one output. A text is a paragraph; `None` is left out.

    close: as lines, without room between them
    """

    parts: tuple[object, ...]
    close: bool

    def __init__(self, *parts: object, close: bool = False) -> None:
        object.__setattr__(self, "parts", tuple(part for part in parts if part is not None))
        object.__setattr__(self, "close", close)

    def html(self) -> Html:
        return join(*(tag("div", part, style=None if self.close else "margin:0 0 12px 0") for part in self.parts))

    def text(self) -> str:
        return ("\n" if self.close else "\n\n").join(map(_plain, self.parts))


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
        room = max(map(width, badges), default=0)
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
        room = [max(map(width, side)) for side in zip(*grid, *([last] if last else []), strict=True)]

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
        # A date or a word is not broken at its hyphen.
        return tag("span", words, style="white-space:nowrap" if width(words) <= 20 else "overflow-wrap:break-word")
    rest = len(words) - _LONG
    whole = tag(
        "div",
        words[:_LONG],
        f"\n… and {rest:,} characters more" if rest > 0 else None,
        style=f"white-space:pre-wrap;word-break:break-all;max-height:360px;overflow:auto;padding:6px 0;{_MONO}",
    )
    return tag("details", tag("summary", short, style="cursor:pointer;overflow-wrap:break-word"), whole)


def _pad(text: str, room: int, right: bool = False) -> str:
    gap = " " * (room - width(text))
    return gap + text if right else text + gap


# Progress -------------------------------------------------------------------------------------------------------------


def has_kernel() -> bool:
    """Whether this runs in a notebook, and not in a script."""
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    return getattr(shell, "kernel", None) is not None


def has_front_end() -> bool:
    """Whether somebody can look on and type: papermill has a kernel, but no session."""
    return has_kernel() and "JPY_SESSION_NAME" in os.environ


class Progress:
    """How far a long step is: where somebody looks on a bar while it runs, and in every notebook one line afterwards.

    The bar is one output, renewed at most five times a second. A script, a terminal and stderr get nothing.
    `unit` is what is counted: bytes, or any plural.
    """

    def __init__(self, label: str, total: int | None = None, unit: str = "", *, shown: bool = True) -> None:
        self.label, self.total, self.done, self.unit = shorten(label, 40), total, 0, unit
        self._shown = shown and has_kernel()
        self._began = self._renewed = time.monotonic()
        self._now, self._handle = "", None
        if self._shown and has_front_end():
            from IPython.display import display

            self._handle = display(self._bar(), raw=True, display_id=True)

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        self._close(stopped=kind is not None)

    def each(self, things: Iterable[T]) -> Iterator[T]:
        """These things; when the next is asked for, one more is done."""
        for thing in things:
            yield thing
            self.step()

    def step(self, count: int = 1, now: str = "") -> None:
        """So many more are done. `now`: what is being done to them next, when that takes its time."""
        self.done += count
        named, self._now = now != self._now, now
        if self._handle and (named or time.monotonic() - self._renewed >= 0.2):
            self._renewed = time.monotonic()
            self._handle.update(self._bar(), raw=True)

    def _close(self, *, stopped: bool) -> None:
        """Leave one line; after an error it says how far the step came."""
        if not self._shown:
            return
        part = stopped or self.total not in (None, self.done)
        line = f"{self.label}: {'stopped at ' if stopped else ''}{self._counted(part)} in {self._seconds():,.1f} s"
        shown = {"text/plain": line, "text/html": str(tag("div", line, style=f"{_FAINT};font-size:13px"))}
        if self._handle:
            self._handle.update(shown, raw=True)
        else:
            from IPython.display import display

            display(shown, raw=True)

    def _seconds(self) -> float:
        return time.monotonic() - self._began

    def _counted(self, of_total: bool) -> str:
        if self.unit == "bytes":
            return size(self.done) + (f" of {size(self.total)}" if of_total and self.total is not None else "")
        of = f" of {self.total:,}" if of_total and self.total is not None else ""
        return f"{self.done:,}{of} {self.unit}".rstrip()

    def _bar(self) -> dict[str, str]:
        rate = self.done / max(self._seconds(), 0.1)
        words = [f"{self.label}: {self._counted(True)}"]
        if self.done and self._seconds() >= 1:
            words.append(f"{size(round(rate)) if self.unit == 'bytes' else f'{rate:,.0f}'} a second")
        line = ", ".join(filter(None, [*words, self._now]))
        bar = tag(
            "progress",
            max=self.total or None,
            value=min(self.done, self.total) if self.total else None,
            style="width:220px;height:12px;vertical-align:middle",
        )
        return {"text/plain": line, "text/html": str(tag("div", bar, "\u2002", line, style="font-size:13px"))}
