"""Written out: what made-up homes and the fuzzer have found, and what they meet too rarely to rely on."""

from __future__ import annotations

from pathlib import Path

import oracle
import pytest

from ait42nb.export import export_json
from ait42nb.samples import dumps, instance, message, session
from ait42nb.summary import summarize

APP = "/home/aki/app"
CONTROLS = "".join(map(chr, range(32))) + "\x7f\x80\u2028\ufeff"
DEEP = "[" * 995 + "]" * 995


def raw(text: str, **values: str) -> str:
    """JSON in which some values stand as they were written."""
    for name, value in values.items():
        text = text.replace(f'"@{name}"', value)
    return text


CASES = {
    "runtimeMix of control characters": (dumps([session(id="s", runtimeMix=[CONTROLS])]), {"inserted": 1}),
    "runtimeMix that is no list": (dumps([session(id="s", runtimeMix={"a": 1})]), {"held": 1}),
    "different messages of one id": (
        dumps([session(id="s", chatHistory=[message(id="m", content=f"{n}") for n in range(3)])]),
        {"inserted": 1},
    ),
    "an id that looks like a derived one": (
        dumps([session(id=s, chatHistory=[message(id=m) for m in ("m", "m@t", "m@t~")]) for s in "st"]),
        {"inserted": 2},
    ),
    "the year 0": (dumps([session(id="s", createdAt="0000-01-01T00:00:00Z")]), {"inserted": 1}),
    "a mark, then nothing": ("\ufeff \n", {}),
    "a mark in front of an array": ("\ufeff[]", {}),
    "depth at the edge of what plain json reads": (
        raw(
            dumps([session(id="s", a="@deep", instances=[instance(b="@deep")], chatHistory=[message(c="@deep")])]),
            deep=DEEP,
        ),
        {"inserted": 1},
    ),
    "more digits than Python converts": (
        raw(dumps([session(id="s", winnerId="@long"), session(id="t", extra="@long")]), long="9" * 5000),
        {"inserted": 1, "held": 1},
    ),
    "an unknown key twice inside an unknown value": (
        raw(dumps([session(id="s", extra="@twice")]), twice='{"a": 1, "a": 1.0}'),
        {"inserted": 1},
    ),
    "a key that is only escaped": (
        dumps([session(id="s")]).replace('"task"', '"t\\u0061sk"'),
        {"inserted": 1},
    ),
    "a key that stands twice, once escaped": (
        dumps([session(id="s")]).replace('"task"', '"t\\u0061sk": "", "task"'),
        {"held": 1},
    ),
    "a comma too many, deep inside": (
        raw(dumps([session(id="s", extra="@comma"), session(id="t")]), comma="[[1 ,]]"),
        {"inserted": 1, "held": 1},
    ),
    "half of a pair in what is unknown": (
        raw(dumps([session(id="s", extra="@half")]), half='{"\\ud800": "\\udfff"}'),
        {"inserted": 1},
    ),
    "blanks that are none": ("[\x0b]", {}),
}


@pytest.mark.parametrize(("text", "expected"), CASES.values(), ids=CASES)
def test_counterexample(home, tmp_path: Path, text: str, expected: dict[str, int]):
    """It comes out as the rules say, comes back, and a second run changes nothing."""
    home.write(APP, text)

    books = home.migrate()["balance"]["sessions"]

    assert {fate: books[fate] for fate in expected} == expected
    assert books["source"] == sum(expected.values())
    export_json(home.database, tmp_path / "out")
    assert oracle.compare_export(home.path, tmp_path / "out") == []
    again = home.run()
    assert again.failure is None
    assert summarize(again)["balance"]["sessions"]["unchanged"] == expected.get("inserted", 0)
