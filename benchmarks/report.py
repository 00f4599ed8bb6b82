"""What was measured, as tables and two pictures."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from math import log10
from pathlib import Path

from ait42nb.display import Html, tag

WAYS = {
    "kit": "ait42nb: read, checked, published, every value verified",
    "guide": "(a) the guide's algorithm in Python: a transaction a session, row by row",
    "python": "(b) plain Python in bulk: `json` and `executemany`; nothing checked",
    "sqlite_utils": "(c) sqlite-utils; nothing checked",
    "sqlite_json": "(d) SQLite's own JSON functions; nothing checked",
    "floor": "(e) the floor: the files read as JSON, the finished database written once more",
}
_INK, _GREY, _LINE, _KIT, _OTHER = "#24292f", "#6b7280", "#e3e5e8", "#33709f", "#b4b8bd"


def write(results: Mapping[str, object], folder: Path) -> None:
    """results.md, and the pictures of what there is."""
    text = ["# Results", _machine(results["machine"])]
    if "rivals" in results:
        text += _rivals(results["rivals"])
        (folder / "rivals.svg").write_text(rivals_picture(results["rivals"]["ways"]), encoding="utf-8")
        text.append("![How long each way takes](rivals.svg)")
    if "sizes" in results:
        text += _sizes("Sizes", results["sizes"])
        (folder / "growth.svg").write_text(growth_picture(results["sizes"]), encoding="utf-8")
        text.append("![Seconds against messages](growth.svg)")
    if "again" in results:
        text += _again(results["again"])
    if "merge" in results:
        text += _merge(results["merge"])
    if "shapes" in results:
        text += _sizes("Shapes", results["shapes"])
    (folder / "results.md").write_text("\n\n".join(text) + "\n", encoding="utf-8")


def _table(heads: Iterable[str], rows: Iterable[Iterable[object]]) -> str:
    heads = list(heads)
    lines = [heads, ["---", *["---:"] * (len(heads) - 1)], *rows]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines)


def _machine(machine: Mapping[str, object]) -> str:
    return "Measured with " + ", ".join(f"{name} {value}" for name, value in machine.items()) + "."


def _rivals(found: Mapping[str, object]) -> list[str]:
    ways = found["ways"]
    kit = ways["kit"]["wall"]
    rows = [
        (
            WAYS[name],
            f"{run['wall']:.1f}",
            f"{run['wall'] / kit:.2f}",
            f"{run['lowest']:.1f} to {run['highest']:.1f} in {run['rounds']}",
            f"{run['cpu']:.1f}",
            f"{run['memory'] / 2**20:,.0f}",
        )
        for name, run in ways.items()
    ]
    heads = ("way", "seconds", "times the kit's", "spread", "CPU seconds", "MiB")
    alone, beside = found["backup"]["alone"], found["backup"]["beside"]
    note = "Whole processes, start-up included; the backup apart. "
    note += f"By itself that takes {alone:.1f} s; beside the other stages of a first run it adds {beside:.1f} s."
    return [f"## {found['messages']:,} messages", note, _table(heads, rows), _stages(ways["kit"]["stages"])]


def _stages(stages: Mapping[str, float]) -> str:
    total = sum(stages.values())
    rows = [(name, f"{took:.2f}", f"{took / total:.0%}") for name, took in stages.items() if took >= 0.005]
    return _table(("stage", "seconds", "share"), rows)


def _sizes(title: str, found: Mapping[str, object]) -> list[str]:
    rows = [
        (
            name,
            f"{run['files']:,}",
            f"{run['sessions']:,}",
            f"{run['messages']:,}",
            f"{run['bytes'] / 1e6:,.1f}",
            f"{run['wall']:.2f}",
            f"{1e6 * sum(run['stages'].values()) / run['messages']:.1f}",
            f"{run['cpu']:.2f}",
            f"{run['kernel']:.2f}",
            f"{run['memory'] / 2**20:,.0f}",
            *([f"{run['copied']:.2f}"] if "copied" in run else []),
            *([f"{run['wall'] / run['half']['wall']:.2f}"] if "half" in run else []),
        )
        for name, run in found.items()
    ]
    heads = ["home", "files", "sessions", "messages", "MB", "seconds", "µs a message", "CPU seconds", "kernel's", "MiB"]
    if title != "Sizes":
        told = "Twice: how many times as long it takes as a home of the same shape that is half as large."
        return [f"## {title}", told, _table([*heads, "twice"], rows)]
    told = "Copied: how many seconds it takes merely to copy the files and the finished database."
    if fit := _fit([(run["messages"], sum(run["stages"].values())) for run in found.values()]):
        told = f"Stage time is about {fit[0]:.2f} s and {fit[1]:.1f} s a million messages. {told}"
    return [f"## {title}", told, _table([*heads, "copied"], rows)]


def _fit(points: list[tuple[float, float]]) -> tuple[float, float] | None:
    """A straight line, where small homes weigh as much as large ones: seconds at nothing, and a million messages."""
    if len(points) < 3:
        return None
    weights = [1 / y**2 for _, y in points]
    total = sum(weights)
    mean_x = sum(w * x for w, (x, _) in zip(weights, points, strict=True)) / total
    mean_y = sum(w * y for w, (_, y) in zip(weights, points, strict=True)) / total
    spread = sum(w * (x - mean_x) ** 2 for w, (x, _) in zip(weights, points, strict=True))
    slope = sum(w * (x - mean_x) * (y - mean_y) for w, (x, y) in zip(weights, points, strict=True)) / spread
    return mean_y - slope * mean_x, 1e6 * slope


def _again(found: Mapping[str, object]) -> list[str]:
    named = {
        "first": "the first run",
        "nothing": "nothing changed",
        "one_file": f"one of {found['files']} files changed",
    }
    rows, first = [], None
    for name, run in found["runs"].items():
        backup = run["stages"].get("back_up", 0.0)
        took = sum(run["stages"].values()) - backup
        first = first or took
        rows.append((named[name], f"{took:.2f}", f"1/{first / took:.0f}", f"{backup:.2f}"))
    heads = ("run", "seconds", "of the first", "and the backup, seconds")
    return ["## Again", "Stage time.", _table(heads, rows)]


def _merge(found: Mapping[str, object]) -> list[str]:
    rows = [
        (
            name,
            f"{run['wall']:.1f}",
            run["slices"],
            f"{run['longest_lock']:.2f}",
            f"{run['writer']['longest_wait']:.2f}",
            f"{run['writer']['failures']} of {run['writer']['writes']:,}",
            f"{run['memory'] / 2**20:,.0f}",
        )
        for name, run in found["runs"].items()
    ]
    heads = ("changed", "seconds", "slices", "longest lock, s", "longest wait, s", "failed writes", "MiB")
    note = (
        "While another process writes twenty times a second and waits at most five seconds. Every file is read again."
    )
    return ["## Merging", note, _table(heads, rows)]


# Pictures


def _svg(height: float, *parts: object) -> Html:
    paper = tag("rect", width=960, height=height, rx=8, fill="#fcfcfb", stroke=_LINE)
    frame = {
        "xmlns": "http://www.w3.org/2000/svg",
        "viewBox": f"0 0 960 {height}",
        "font-family": "system-ui,sans-serif",
    }
    return tag("svg", paper, *parts, width=960, height=height, **frame)


def _put(x: float, y: float, words: object, size: int = 13, fill: str = _INK, **more: object) -> Html:
    return tag("text", words, x=f"{x:g}", y=f"{y:g}", font_size=size, fill=fill, **more)


def rivals_picture(ways: Mapping[str, Mapping[str, object]]) -> Html:
    """A bar a way, the fastest first, in multiples of the kit's time."""
    kit = ways["kit"]["wall"]
    ratios = {WAYS[name]: run["wall"] / kit for name, run in sorted(ways.items(), key=lambda way: way[1]["wall"])}
    most = max(ratios.values())
    drawn = [_put(24, 34, "Time, in multiples of ait42nb's", 16, font_weight=600)]
    for row, (words, ratio) in enumerate(ratios.items()):
        y, length = 56 + 48 * row, 780 * ratio / most
        colour = _KIT if ratio == 1 else _OTHER
        drawn += [
            _put(24, y + 12, words.replace("`", "")),
            tag("rect", x=24, y=y + 19, width=f"{length:.1f}", height=18, rx=3, fill=colour),
            _put(32 + length, y + 33, f"{ratio:.2f}", font_weight=600),
        ]
    return _svg(72 + 48 * len(ratios), drawn)


def growth_picture(found: Mapping[str, Mapping[str, object]]) -> Html:
    """Seconds against messages, both by powers of ten, with the straight line that fits."""
    points = [(run["messages"], sum(run["stages"].values())) for run in found.values()]
    left, right, top, bottom = 80.0, 900.0, 60.0, 420.0
    x0, x1 = log10(min(x for x, _ in points)), log10(max(x for x, _ in points))
    y0, y1 = log10(min(y for _, y in points)) - 0.2, log10(max(y for _, y in points)) + 0.2

    def place(x: float, y: float) -> tuple[float, float]:
        return (
            left + (right - left) * (log10(x) - x0) / ((x1 - x0) or 1),
            bottom - (bottom - top) * (log10(y) - y0) / (y1 - y0),
        )

    drawn = [_put(24, 34, "Seconds against messages", 16, font_weight=600)]
    for power in range(int(y0) - 1, int(y1) + 2):
        if y0 <= power <= y1:
            _, y = place(10**x0, 10**power)
            drawn.append(tag("line", x1=left, x2=right, y1=f"{y:.1f}", y2=f"{y:.1f}", stroke=_LINE))
            drawn.append(_put(left - 8, y + 4, f"{10**power:g} s", 12, _GREY, text_anchor="end"))
    if fit := _fit(points):
        steps = [10 ** (x0 + (x1 - x0) * step / 60) for step in range(61)]
        line = (place(x, max(1e-3, fit[0] + fit[1] * x / 1e6)) for x in steps)
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in line)
        drawn.append(tag("polyline", points=path, fill="none", stroke=_OTHER, stroke_width=2))
        drawn.append(_put(left, bottom + 50, f"line: {fit[0]:.2f} s + {fit[1]:.1f} s a million messages", 13, _GREY))
    for x, y in points:
        at = place(x, y)
        drawn.append(tag("circle", cx=f"{at[0]:.1f}", cy=f"{at[1]:.1f}", r=5, fill=_KIT))
        drawn.append(_put(at[0], bottom + 22, f"{x:,}", 12, _GREY, text_anchor="middle"))
    return _svg(490, drawn)
