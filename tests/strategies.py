"""Homes far outside of what the editor writes, for hypothesis: any text, any value in any place, in any layout.

JSON is written here and not by `json`, so that the text itself is under control: its escapes, its blanks, keys that
stand twice, numbers that no library would write. A record begins in order and gets a few twists: half of them stay as
they are, because what breaks bulk reading is one odd record among good ones.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from random import Random
from typing import Any

from hypothesis import strategies as st

from ait42nb import samples
from ait42nb.check import KEYS
from ait42nb.mapping import digest

# ── JSON text ────────────────────────────────────────────────────────────────────────────────────────────────────────


class Raw(str):
    """JSON text that is written as it stands."""

    def __repr__(self) -> str:
        return f"Raw({str(self)!r})" if len(self) < 100 else f"Raw({self[:40]!r}…, {len(self)} characters)"


class Members(list):
    """An object by its members, so that a key can stand twice."""

    def first(self, key: str) -> Any:
        return next((value for name, value in self if name == key), None)

    def put(self, key: str, value: Any) -> None:
        """Give the first member of this key another value."""
        place = next((place for place, (name, _) in enumerate(self) if name == key), len(self))
        self[place : place + 1] = [(key, value)]


SHORT = {'"': '\\"', "\\": "\\\\", "/": "\\/", "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t"}
BLANKS = ("", "", "", " ", "\n", "\t", "\r\n", "    ")


class Writer:
    """Values as JSON text: compactly under seed 0, else with blanks and escapes that change nothing."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        self.plain = not seed
        self.escaping = 0.0

    def write(self, value: Any) -> str:
        match value:
            case Raw():
                return str(value)
            case Members() | dict():
                pairs = value.items() if isinstance(value, dict) else value
                return self._listed(
                    "{}", (f"{self.text(k)}{self._blank()}:{self._blank()}{self.write(v)}" for k, v in pairs)
                )
            case list() | tuple():
                return self._listed("[]", map(self.write, value))
            case str():
                return self.text(value)
            case None | True | False:
                return {None: "null", True: "true", False: "false"}[value]
            case _:
                return str(value)

    def text(self, text: str) -> str:
        self.escaping = 0.0 if self.plain else self.random.choice((0.0, 0.0, 0.1, 1.0))
        return f'"{"".join(map(self._character, text))}"'

    def _character(self, character: str) -> str:
        must = character < " " or character in '"\\' or "\ud800" <= character <= "\udfff"
        if not must and self.random.random() >= self.escaping:
            return character
        if character in SHORT and (self.plain or self.random.random() < 0.5):
            return SHORT[character]
        units = character.encode("utf-16-be", "surrogatepass").hex()
        written = "".join(f"\\u{units[at : at + 4]}" for at in range(0, len(units), 4))
        return written if self.plain or self.random.random() < 0.5 else written.upper().replace("\\U", "\\u")

    def _listed(self, brackets: str, parts: Iterable[str]) -> str:
        inside = ",".join(f"{self._blank()}{part}{self._blank()}" for part in parts)
        return f"{brackets[0]}{inside or self._blank()}{brackets[1]}"

    def _blank(self) -> str:
        return "" if self.plain else self.random.choice(BLANKS)


# ── Values ───────────────────────────────────────────────────────────────────────────────────────────────────────────

PIECES = (
    "a", "Z", "0", " ", "\n", "\t", "\0", "\x01", "\x1b[31m", "\x7f", "\x85", "\xa0", "\u200d", "\u2028", "\u3000",
    "é", "e\u0301", "が", "か\u3099", "日本語", "🦊", "👩\u200d💻", "\ufeff", "\ufffe", "\uffff", "\U0010ffff",
    "\ue000", '"', "'", "`", "\\", "\\u0041", "\\ud800", "/", "//", "..", "%s", "$1", "{}", "[", "]", "}, {", ",]",
    "-0,", "*", "?", ";--", "@", "#", "#2", "~", "null", "true", "NaN", "1e5", "2025-11-01",
)  # fmt: skip
texts = st.lists(st.sampled_from(PIECES), max_size=5).map("".join) | st.text(max_size=12)
broken_texts = st.sampled_from(("\ud800", "a\udfff", "\udc00\ud800", "\ud800é", "\\\ud83d"))  # half of a surrogate pair

NUMBERS = (
    *(str(limit + step) for limit in (0, 2**31, 2**32, 2**53, 2**63, 2**64, 2**127) for step in (-1, 0, 1)),
    "-0", "0.0", "-0.0", "1.0", "1e0", "1e2", "1E+2", "1.5", "1e-7", "1e400", "-1e400", "0e1", "-2147483649",
    "-9223372036854775809", "1" * 25, "9" * 40, "1" + "0" * 400, "-" + "9" * 60, "1" * 5000, "0." + "3" * 400,
)  # fmt: skip
numbers = st.sampled_from(NUMBERS).map(Raw)
OTHERS = (
    "null", "true", "false", "[]", "{}", "[[]]", "[null]", '["a"]', '["a",1]', '["a",null]', "[1.0]", '{"a":1}',
    '{"a":{"b":[]}}', '{"a":1,"a":2}', '{"":""}', '[{"instanceId":1}]', '"\\u0000"', '["\\ud800"]', '{"\\udfff":0}',
    '"1"', '"true"', '"null"', "[" * 60 + "]" * 60, '{"a":' * 400 + "1e2" + "}" * 400,
    "[" * 3000 + '{"b" : "]"}' + "]" * 3000,
)  # fmt: skip
values = numbers | st.sampled_from(OTHERS).map(Raw) | texts | broken_texts

MOMENTS = (
    "2025-11-01T09:00:00.000Z", "2025-11-01T09:00:00Z", "2025-11-01T09:00:00.123456789+00:00",
    "2025-11-01T18:00:00+09:00", "2025-11-01t09:00:00z", "2025-11-01 09:00:00.5-00:30",
    "2025-11-01T09:00:00.50-00:30", "2025-10-31T23:59:59.999999999999Z", "0001-01-01T00:00:00Z",
    "0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59.9-23:59", "2024-02-29T00:00:00Z", "2025-02-29T00:00:00Z",
    "0000-01-01T00:00:00Z", "2025-11-01T24:00:00Z", "2025-11-01T09:00:60Z", "2025-11-01T09:00Z",
    "2025-11-01T09:00:00", "2025-11-01T09:00:00.Z", "2025-11-01T09:00:00+0900", "2025-11-01T09:00:00+24:00",
    "yesterday", "", "2025-11-01T09:00:00Z\n", "２０２５-11-01T09:00:00Z", "-2025-11-01T09:00:00Z",
    "2025-11-01_09:00:00Z", "2025-1-01T09:00:00Z",
)  # fmt: skip
good_moments = st.builds(
    "2025-11-{:02}T09:{:02}:00{}{}".format,
    st.integers(1, 3),
    st.integers(0, 1),
    st.sampled_from(("", ".5", ".500", ".123456789")),
    st.sampled_from(("Z", "+00:00", "+09:00")),
)
moments = good_moments | st.sampled_from(MOMENTS)


@st.composite
def broken_moments(draw: Callable[..., Any]) -> str:
    """A time with a character too many, too few, or changed."""
    text = draw(moments)
    place = draw(st.integers(0, len(text)))
    return text[:place] + draw(st.sampled_from(("", *"0123569TtZz+-:. \n０"))) + text[place + draw(st.integers(0, 1)) :]


def often(first: Any, *others: Any, chance: int = 5) -> st.SearchStrategy[Any]:
    """The first, `chance` times as often as all the others. (Hypothesis likes both ends of a list.)"""
    usual = [True] * (chance // 2 + 1)
    return st.sampled_from([*usual, False, *usual]).flatmap(
        lambda yes: st.just(first) if yes else st.sampled_from(others)
    )


# ── Records ──────────────────────────────────────────────────────────────────────────────────────────────────────────

# Few enough that they meet, in one session, one file and several.
SESSION_IDS = (
    *(f"s{n}" for n in range(30)), "s1@s2", "s1#2", "s1~", "", "@", "日本", "S1", "s1\0", "s 1", "é", "e\u0301",
    "\uffff", "😀",
)  # fmt: skip
MESSAGE_IDS = (
    "m1", "m1", "m2", "m3", "m4", "m5", "m1@s1", "m1@s2", "m1@s1#2", "m1@s1#2~", "m1@s2~", "m1@s1@s2", "m1#2", "m1~",
    "", "@s1", "@", "#2", "M1", "m1\0", "日本", "\uffff", "😀",
)  # fmt: skip
UNKNOWN_KEYS = (
    "evaluation", "integrationPhase", "ID", "Id", "id ", "instanceid", "instance_id", "order", "", "\0", "/", "~",
    "a/b~c", "$", "$.id", '"', "\\", "日本", "🦊", "*", "instances[0]", "chathistory", "true", "0",
)  # fmt: skip
WORDS = {
    "type": ("competition", "ensemble", "debate", "Debate", "", "race"),
    "role": ("user", "assistant", "system", "tool", "User"),
    "runtime": ("claude", "codex", "gemini", "gpt", ""),
    "status": ("idle", "running", "completed", "failed", "paused", "archived", "timeout", "Running", ""),
}  # fmt: skip
TIMES = frozenset({"createdAt", "updatedAt", "completedAt", "startTime", "endTime", "timestamp"})


def fitting(key: str) -> st.SearchStrategy[Any]:
    """A value of about the type that a key wants, from the edge of what it may hold."""
    if key in TIMES:
        return moments
    if key in WORDS:
        return st.sampled_from(WORDS[key])
    if key == "runtimeMix":
        return st.lists(texts | broken_texts, max_size=3) | st.none()
    if key == "preserveWorktrees":
        return st.booleans() | st.none()
    if key in ("instances", "chatHistory"):
        return st.none() | st.lists(values, max_size=2)
    if isinstance(samples.session().get(key, samples.instance().get(key, samples.message().get(key))), str):
        return texts
    return numbers | texts | st.none()


@st.composite
def twisted(draw: Callable[..., Any], record: Members, entity: str) -> Members:
    """One thing about an object changed; it may be in order even so."""
    key = draw(st.sampled_from(KEYS[entity]))
    match draw(
        st.sampled_from(("fitting", "fitting", "any", "unknown", "unknown", "drop", "double", "order", "escape"))
    ):
        case "fitting":
            record.put(key, draw(fitting(key)))
        case "any":
            record.put(key, draw(values))
        case "unknown":
            record.append((draw(st.sampled_from(UNKNOWN_KEYS) | texts), draw(values)))
        case "drop":
            record[:] = [member for member in record if member[0] != key]
        case "double":
            record.append((key, draw(st.just(record.first(key)) | values)))
        case "order":
            record[:] = draw(st.permutations(record))
        case "escape":
            record.append((draw(broken_texts), draw(values)))
    return record


@st.composite
def twisted_often(draw: Callable[..., Any], record: Members, entity: str, counts: st.SearchStrategy[int]) -> Members:
    for _ in range(draw(counts)):
        record = draw(twisted(record, entity))
    return record


@st.composite
def repeated(draw: Callable[..., Any], records: list[Members]) -> list[Members]:
    """A list in which some stand again: the same, or in another order, without its nulls, or with other values."""
    records = list(records)
    for _ in range(draw(often(0, 1, 2, chance=2)) if records else 0):
        again = Members(draw(st.sampled_from(records)))
        match draw(st.sampled_from(("same", "order", "nulls", "other", "null"))):
            case "order":
                again.reverse()
            case "nulls":
                again[:] = [member for member in again if member[1] is not None]
            case "other":
                again.append((draw(st.sampled_from(UNKNOWN_KEYS)), draw(values)))
            case "null":
                again.append((draw(st.sampled_from(UNKNOWN_KEYS)), None))
        records.insert(draw(st.integers(0, len(records))), again)
    return records


RARELY = often(0, 1, 2, chance=15)
SOMETIMES = often(0, 1, 1, 2, 3, chance=2)


@st.composite
def sessions(draw: Callable[..., Any], folder: str = "/srv/app") -> Members:
    """A session: as the editor writes it, or with a few twists, or with many."""
    instances = []
    for number in range(draw(st.sampled_from((0, 0, 1, 2, 4)))):
        path = f"{folder}/.worktrees/instance-{number}"
        record = Members(samples.instance(instanceId=number, worktreePath=path, output=draw(texts)).items())
        instances.append(draw(twisted_often(record, "instance", RARELY)))
    messages = []
    for number in range(draw(st.sampled_from((0, 0, 1, 2, 5)))):
        record = samples.message(
            id=draw(st.sampled_from(MESSAGE_IDS)), content=draw(texts), instanceId=draw(often(None, number))
        )
        messages.append(draw(twisted_often(Members(record.items()), "message", RARELY)))
    record = samples.session(
        id=draw(st.sampled_from(SESSION_IDS)),
        task=draw(texts),
        createdAt=draw(moments),
        updatedAt=draw(moments),
        instances=draw(repeated(instances)),
        chatHistory=draw(repeated(messages)),
    )
    return draw(twisted_often(Members(record.items()), "session", SOMETIMES))


# ── Files ────────────────────────────────────────────────────────────────────────────────────────────────────────────

BROKEN_ELEMENTS = (
    '{"id": "s1", "task": }', '{"id": "s1"', '{"id": "s1", }', "[1, ]", "{'id': 1}", "NaN", "-Infinity", "01", "1.",
    "+1", "tru", "nulll", '{"id": "s1" "type": 1}', '{"a": NaN}', '{"a": "\t"}', '{"a": "\\x"}', '{"a": "\\u12"}',
    '{"a": 01}', "{}}", "[}", "{]", '"', '"a', "", "/* */ 1", "{} // x", '{"a": [}', '{"a": "}"', "\x0b1", "1\x0c",
    "\x001", '{"a"\x0b: 1}', '{"a": 1\x00}', "\ufeff{}", "\u3000{}",
)  # fmt: skip
ENDS = (
    "", "]", "]]", "] x", "],", "][", "][{}]", "] []", "]\0", "]\x0b", "],[1]", "}", " ", "] null", "]\ufeff",
    '] "a"', ",]", ", ]",
)  # fmt: skip
BEFORE = ("", "\n ", "\ufeff", "\ufeff\ufeff", " \ufeff", "\x0b", "x", "[", "\0")
WHOLE_FILES = (
    b"", b" \r\n\t", b"\xef\xbb\xbf", b"\xef\xbb\xbf \n", b"\x0b", b"\x00", b"null", b"{}", b'{"sessions": []}',
    b"[]", b" [ ] ", b"[", b"]", b"[,]", b"[,1]", b"1", b'"a"', b"NaN", b"\xff\xfe[\x00]\x00", b"\xef\xbb",
    b"[\xed\xa0\x80]", b"[]\xff", b'["\xc0\xaf"]', b'[{"id": "\xf0\x9f"}]', b"[" * 5000 + b"]" * 5000, b"[" * 5000,
    b"{" * 5000, b'{"a":' * 5000, b"[" + b'{"a":' * 5000 + b"1" + b"}" * 5000 + b"]", "\u3000".encode(),
    "\x85".encode(), "[]\u3000".encode(),
)  # fmt: skip


@st.composite
def file_texts(draw: Callable[..., Any], folder: str) -> bytes:
    """A file's bytes: an array of sessions among which other things may stand, whole or damaged."""
    element = often(sessions(folder), values, chance=20).flatmap(lambda chosen: chosen)
    least = draw(st.sampled_from((0, 3, 8)))
    elements = draw(st.lists(element, min_size=least, max_size=3 * least + 2))
    writer = Writer(draw(st.sampled_from((0, 1, 2))) and draw(st.integers(1, 2**32)))
    written = [writer.write(element) for element in elements]
    if draw(often(False, True, chance=8)):
        written.insert(draw(st.integers(0, len(written))), draw(st.sampled_from(BROKEN_ELEMENTS)))
    blank = "" if writer.plain else "\n"
    before, end = draw(often("", *BEFORE, chance=15)), draw(often("]", *ENDS, chance=15))
    content = f"{before}[{blank}{f',{blank}'.join(written)}{blank}{end}".encode()
    match draw(often("whole", "cut", "bytes", chance=10)):
        case "cut":
            return content[: draw(st.integers(0, len(content)))]
        case "bytes":
            place = draw(st.integers(0, len(content)))
            return content[:place] + draw(st.binary(min_size=1, max_size=3)) + content[place:]
    return content


WORKSPACES = ("/srv/app", "/srv/デスクトップ/が", "/", "/tmp", '/srv/it\'s [1]*?/"x"', "/srv/e\u0301", "/srv/app/")
NAMES = ("notes", "", "it's [1]*?", "*", "[a-z]", "%s", "0" * 16, "日本", "-rf", "..", "a.json", "$HOME", "\n", "{0,1}")


@dataclass(frozen=True)
class HomeText:
    """Everything in a home: files by name, and what a person said of their workspaces."""

    files: dict[str, bytes]
    mapping: dict[str, str] = field(default_factory=dict)


@st.composite
def homes(draw: Callable[..., Any], most: int = 3) -> HomeText:
    """A home of a few files: mapped by a person, by their own worktree paths, wrongly, or not at all."""
    files, mapping = {}, {}
    for _ in range(draw(st.integers(1, most))):
        workspace = draw(
            st.sampled_from(WORKSPACES)
            | texts.map(lambda name: "/srv/app-" + name.translate({0: None, ord("/"): None}))
        )
        spelled = unicodedata.normalize(draw(often("NFC", "NFD")), workspace)
        name = digest(spelled.rstrip("/") or "/")
        match draw(often("said", "found", "wrong", "unknown", "unnamed", chance=2)):
            case "said":
                mapping[name] = workspace
            case "wrong":
                mapping[name] = "/srv/elsewhere"
            case "unknown":
                workspace = "/nowhere"
            case "unnamed":
                name = draw(st.sampled_from(NAMES))
        content = draw(often(None, b"", chance=8))
        files[f"{name}.json"] = draw(file_texts(workspace) if content is None else st.sampled_from(WHOLE_FILES))
    return HomeText(files, mapping)
