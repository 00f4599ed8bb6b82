"""Strict JSON (RFC 8259) read by its text: where each value begins and ends, so that nothing is lost in a conversion.

DuckDB reads in bulk what is in order; this reads the rest. Python's own decoder does the work; what it cannot do
(nesting beyond its recursion limit, elements of a broken array) is done here.
"""

from __future__ import annotations

import hashlib
import json
import re
from codecs import BOM_UTF8
from collections.abc import Iterator
from contextlib import contextmanager
from json.decoder import scanstring
from mmap import ACCESS_READ, mmap
from operator import itemgetter
from pathlib import Path

# Possessive (++, *+) where strings repeat: what can go back keeps a note a character, 6 GB for a string of 50 MB.
_BLANK = re.compile(r"[ \t\n\r]*")
_COLON = re.compile(r"[ \t\n\r]*:[ \t\n\r]*")
_COMMA = re.compile(r"[ \t\n\r]*,?[ \t\n\r]*")
_TOKEN = re.compile(
    r"""[ \t\n\r]*(?:
    (?P<open>[\[{]) | (?P<close>[\]}]) | (?P<comma>,) | (?P<colon>:)
    | (?P<string>"(?:[^"\\\x00-\x1f]++|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*+")
    | (?P<plain>-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)? | true | false | null)
    )""",
    re.VERBOSE,
)
_BLANK_BYTES = re.compile(rb"[ \t\n\r]*")
_BRACKET_OR_STRING = re.compile(rb'"(?:[^"\\]++|\\.)*+"|[\[{\]}"]', re.DOTALL)
_SCALAR = re.compile(
    rb"""(?: "(?:[^"\\\x00-\x1f]++|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*+"
    | -?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)? | true | false | null )""",
    re.VERBOSE,
)
_STRING = re.compile(r'"(?:[^"\\]++|\\.)*+"')
_CANONICAL = re.compile(r'"[ !#-\[\]-~]*"|[0-9]+')  # most ids
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")
_LONE = re.compile("[\ud800-\udfff]")


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no JSON")


# Numbers stay text: their digits are evidence, and Python refuses to convert very long ones.
_decoder = json.JSONDecoder(parse_int=str, parse_float=str, parse_constant=_refuse)


def skip(text: str, at: int) -> int:
    """The position of the first character at or after `at` that is no blank."""
    return _BLANK.match(text, at).end()


def skip_bytes(text: bytes | mmap, at: int) -> int:
    """As `skip`, in UTF-8."""
    return _BLANK_BYTES.match(text, at).end()


def value_end(text: str, at: int) -> int:
    """Where the JSON value that begins at `at` ends.

    Raises: ValueError, when there is none
    """
    try:
        return _decoder.scan_once(text, at)[1]
    except StopIteration as error:
        raise ValueError(f"no JSON at character {at}") from error
    except RecursionError:
        return _deep_end(text, at)


def _deep_end(text: str, at: int) -> int:
    """As `value_end`, with its own stack."""
    stack: list[str] = []
    expected = "value"
    while True:
        token = _TOKEN.match(text, at)
        if not token:
            raise ValueError(f"no JSON at character {at}")
        at, kind, sign = token.end(), token.lastgroup, token[0].lstrip(" \t\n\r")[0]
        if kind == "open" and "value" in expected:
            stack.append(sign)
            expected = "key or close" if sign == "{" else "value or close"
        elif kind == "close" and "close" in expected and stack and stack.pop() + sign in ("[]", "{}"):
            expected = "comma or close"
        elif kind == "string" and "key" in expected:
            expected = "colon"
        elif kind == "colon" and expected == "colon":
            expected = "value"
        elif kind == "comma" and "comma" in expected:
            expected = "key" if stack[-1] == "{" else "value"
        elif kind in ("string", "plain") and "value" in expected:
            expected = "comma or close"
        else:
            raise ValueError(f"no JSON at character {at}")
        if not stack:
            return at


def elements(text: str, at: int = 0) -> Iterator[tuple[int, int]]:
    """Where each element of the array that begins at `at` lies. The text is known to be JSON."""
    at = skip(text, at + 1)
    while text[at] != "]":
        end = value_end(text, at)
        yield at, end
        at = _COMMA.match(text, end).end()


def members(text: str, at: int = 0) -> Iterator[tuple[str, str]]:
    """Key and value, the value as its own text, of each member of the object that begins at `at`; repeats included.

    The text is known to be JSON.
    """
    at = skip(text, at + 1)
    while text[at] != "}":
        key, at = scanstring(text, at + 1)
        at = _COLON.match(text, at).end()
        end = value_end(text, at)
        yield key, text[at:end]
        at = _COMMA.match(text, end).end()


@contextmanager
def opened(path: Path) -> Iterator[mmap]:
    """A file's bytes, without having them in memory. The file is not empty."""
    with path.open("rb") as file, mmap(file.fileno(), 0, access=ACCESS_READ) as text:
        yield text


def first_byte(text: bytes | mmap) -> int:
    """Where the text begins, after a byte order mark and blanks."""
    return skip_bytes(text, len(BOM_UTF8) if text[:3] == BOM_UTF8 else 0)


class Cutter:
    """Where each element of the array that begins at `start` lies, as far as that can be told when the text is broken.

    An element ends where its brackets close (those in strings do not count). Where they never do, or where something
    stands that belongs into no array, cutting stops: `whole` is then false and `stopped` says where, and what is left
    counts as no record. Works on bytes, so that a large file is never in memory as a whole.
    """

    def __init__(self, text: bytes | mmap, start: int) -> None:
        self.text, self.start, self.whole, self.stopped = text, start, True, None

    def __iter__(self) -> Iterator[tuple[int, int]]:
        text = self.text
        at = skip_bytes(text, self.start + 1)
        if text[at : at + 1] == b"]":
            return self._end(at + 1)
        while True:
            end = self._element_end(at)
            if end is None:
                return self._stop(at)
            yield at, end
            at = skip_bytes(text, end)
            sign = text[at : at + 1]
            if sign == b"]":
                return self._end(at + 1)
            if sign != b",":
                return self._stop(at)
            at = skip_bytes(text, at + 1)

    def _end(self, at: int) -> None:
        if skip_bytes(self.text, at) != len(self.text):
            self._stop(skip_bytes(self.text, at))

    def _stop(self, at: int) -> None:
        self.whole, self.stopped = False, f"is no JSON from byte {at:,} on"

    def _element_end(self, at: int) -> int | None:
        if self.text[at : at + 1] not in (b"{", b"["):
            scalar = _SCALAR.match(self.text, at)
            return scalar and scalar.end()
        depth = 0
        for token in _BRACKET_OR_STRING.finditer(self.text, at):
            sign = token[0]
            if sign in (b"{", b"["):
                depth += 1
            elif sign in (b"}", b"]"):
                depth -= 1
                if depth == 0:
                    return token.end()
            elif sign == b'"':
                return None  # a string that never ends
        return None


def is_json(text: str) -> bool:
    """Whether the whole text is one JSON value."""
    try:
        at = skip(text, 0)
        return skip(text, value_end(text, at)) == len(text)
    except ValueError:
        return False


def has_lone_surrogate(text: str) -> bool:
    """Whether a decoded text has half a surrogate pair, which UTF-8, and so SQLite, cannot hold."""
    return _LONE.search(text) is not None


def has_broken_text(value: str) -> bool:
    """Whether a JSON value has, at any depth, a string with a lone surrogate."""
    return bool(_SURROGATE.search(value)) and any(
        has_lone_surrogate(json.loads(string)) for string in _STRING.findall(value)
    )


def canonical(text: str) -> str:
    """A JSON value in one form: keys sorted, strings unescaped, numbers as written, an object's nulls left out.

    Two records are equal if their canonical forms are. Nulls count inside of them. The text is known to be JSON.
    """
    if _CANONICAL.fullmatch(text):
        return text
    parts: list[str] = []  # of the innermost list or object that is open
    outer: list[list[str]] = []
    for token in _TOKEN.finditer(text):
        kind, written = token.lastgroup, token[token.lastgroup]
        if kind == "open":
            outer.append(parts)
            parts = []
        elif kind == "close":
            form = _object_form(parts, nulls=len(outer) > 1) if written == "}" else f"[{','.join(parts)}]"
            parts = outer.pop()
            # Kept short, or the form of what is nested deep would be written again at every level.
            parts.append(form if len(form) < 100 else f"#{hashlib.sha256(form.encode()).hexdigest()}")
        elif kind == "string":
            parts.append(json.dumps(json.loads(written)))
        elif kind == "plain":
            parts.append(written)
    return parts[0]


def _object_form(parts: list[str], *, nulls: bool) -> str:
    members = [(key, value) for key, value in zip(parts[::2], parts[1::2], strict=True) if nulls or value != "null"]
    return f"{{{','.join(f'{key}:{value}' for key, value in sorted(members, key=itemgetter(0)))}}}"


class Repeats:
    """Which elements of a list stand in it already.

    Most ids stand once: elements are compared only where an id stands again.
    """

    def __init__(self) -> None:
        self._first: dict[str, tuple[int, str]] = {}
        self._forms: dict[str, dict[str, int]] = {}

    def first(self, identity: str, element: str, place: int) -> int:
        """The place of the first equal element, which is `place` itself for one that is new. Both are JSON."""
        identity = canonical(identity)
        if identity not in self._first:
            self._first[identity] = (place, element)
            return place
        if identity not in self._forms:
            earlier, text = self._first[identity]
            self._forms[identity] = {canonical(text): earlier}
        return self._forms[identity].setdefault(canonical(element), place)
