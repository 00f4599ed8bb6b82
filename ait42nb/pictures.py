"""Pictures from counts: streams, bars and columns, drawn as SVG and shown as `<img>`, each with its words beside it."""

from __future__ import annotations

import base64
import dataclasses
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from typing import NamedTuple

from ait42nb.display import Html, Shown, Table, counted, join, shorten, tag, visible, width

# Colours that every kind of colour vision tells apart, on paper of their own, whatever the page's.
_PAPER, _INK, _GREY, _RULE = "#fcfcfb", "#24292f", "#6b7280", "#e3e5e8"
_SERIES = ("#33709f", "#e8a33d", "#4fc48a", "#b6354a", "#77a5c5", "#4c3663")
_OTHERS = "#b4b8bd"
# What the editor calls by name has one colour in every picture: green ended well, red did not.
_NAMED = dict(
    zip(("running", "paused", "completed", "failed"), _SERIES, strict=False),
    **dict(zip(("competition", "ensemble", "debate"), _SERIES, strict=False)),
)
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


def _box(x: float, y: float, width: float, height: float, fill: str, *inside: Html, **more: object) -> Html:
    place = {"x": f"{x:.2f}", "y": f"{y:.2f}", "width": f"{width:.2f}", "height": f"{height:.2f}"}
    return tag("rect", *inside, **place, fill=fill, **more)


def _breadth(words: str) -> float:
    """About how long a text of 13 pixels is; no font is at hand to ask."""
    return sum(13 if width(c) > 1 else 4.8 if c in "fijlrt .,:;|'!()-/I" else 10 if c in "mwMW@%" else 8 for c in words)


def _coloured(names: Iterable[str]) -> dict[str, str]:
    """A colour of its own for each series, the same in every picture where that can be."""
    colours: dict[str, str] = {}
    for name in sorted(names, key=lambda name: name not in _NAMED):
        free = [colour for colour in _SERIES if colour not in colours.values()]
        named = _NAMED.get(name)
        colours[name] = named if named in free else free[0] if free else _OTHERS
    return colours


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


def bar_picture(title: str, counts: Mapping[str, int], limit: int = 20, ends: bool = False) -> Picture:
    """One bar for each label, in the order given; what is beyond the limit is one bar more, `others`.

    ends: of a long label the end is shown, which tells paths apart
    """
    bars = [(str(label), count, _SERIES[0]) for label, count in islice(counts.items(), limit)]
    rest = list(counts.values())[limit:]
    if rest:
        bars.append((f"{len(rest):,} others", sum(rest), _OTHERS))
    labels = [(_end(label, 34) if ends else shorten(label, 34)) or "–" for label, _, _ in bars]
    room = min(290.0, 12 + max(map(_breadth, labels), default=0))
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


def _end(text: str, cells: int) -> str:
    line = shorten(text[-cells:], 4 * cells)
    line = "…" + line if len(text) > cells else line
    while width(line) > cells:
        line = "…" + line.removeprefix("…")[1:]
    return line


class Span(NamedTuple):
    """Something that a worker did, from begin to end in seconds, and what became of it: a key of `ENDS`."""

    worker: str
    begin: float
    end: float
    outcome: str
    what: str


ENDS = {
    "ok": ("complete", "#33709f"),
    "held": ("held back", "#c2ad29"),
    "failed": ("failed", "#dd705f"),
    "lost": ("worker lost", "#7e1b5d"),
    "stopped": ("straggler", "#9aa3ad"),
}


def lanes_picture(title: str, spans: Iterable[Span], limit: int = 32) -> Picture:
    """Who did what when: a lane for each worker, as they began; those beyond the limit share the last."""
    spans = sorted(spans, key=lambda span: span.begin)
    lanes = {worker: min(lane, limit - 1) for lane, worker in enumerate(dict.fromkeys(span.worker for span in spans))}
    counts = Counter(span.outcome for span in spans)
    told = {key: f"{name}: {counts[key]:,}" for key, (name, _) in ENDS.items() if counts[key]}
    drawn: list[object] = [_put(24, 34, title, 16, font_weight=600)]
    x = 24.0
    for key, words in told.items():
        drawn += [_box(x, 48, 12, 12, ENDS[key][1], rx=2), _put(x + 18, 58, words)]
        x += 40 + _breadth(words)
    left, top, pitch = 60.0, 76.0, 22.0
    across, bottom = 936 - left, top + pitch * len(set(lanes.values()))
    for lane in set(lanes.values()):
        drawn.append(_put(left - 10, top + pitch * lane + 12.5, lane + 1, 12, _GREY, text_anchor="end"))
    last = max((span.end for span in spans), default=0.0) or 1.0
    for span in spans:
        x, long = left + across * span.begin / last, across * (span.end - span.begin) / last
        words = tag("title", f"{span.what}: {ENDS[span.outcome][0]}, {span.end - span.begin:.1f} s")
        drawn.append(_box(x, top + pitch * lanes[span.worker], max(1.5, long - 0.8), 16, ENDS[span.outcome][1], words))
    for part, anchor in enumerate(("start", "middle", "end")):
        words = f"{last * part / 2:,.0f} s"
        drawn.append(_put(left + across * part / 2, bottom + 14, words, 12, _GREY, text_anchor=anchor))
    alt = f"{visible(title)}. {counted(len(lanes), 'worker')} in {last:,.0f} s. {'; '.join(told.values()) or 'none'}."
    rows = [(ENDS[key][0], counts[key]) for key in told]
    return Picture(_svg(bottom + 30, drawn), alt, Table(rows, ["what", "count"], title).text())


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
    colours = _coloured(names)
    drawn: list[object] = [_put(24, 34, title, 16, font_weight=600)]
    x, top = 24.0, 58.0
    for name in names:
        label = shorten(name, 30) or "–"
        if x > 24 and x + 18 + _breadth(label) > 936:
            x, top = 24.0, top + 22
        drawn += [_box(x, top - 10, 12, 12, colours[name], rx=2), _put(x + 18, top, label)]
        x += 40 + _breadth(label)
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
