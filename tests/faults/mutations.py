"""Ways in which bytes go wrong: what disks, other programs and hands do to a file."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from random import Random

Mutation = Callable[[bytes, Random, Sequence[bytes]], bytes]

_TOKEN = re.compile(rb'"(?:[^"\\]|\\.)*"|-?[0-9][0-9.eE+-]*|true|false|null|[\[\]{}:,]')
_VALUE = re.compile(rb'(?<=: )(?:"(?:[^"\\]|\\.)*"|-?[0-9]+|true|false|null)')
_KEY = re.compile(rb'"((?:[^"\\]|\\.)*)"(?=:)')
_STRING = re.compile(rb'"((?:[^"\\]|\\.)*)"')
_BRACKETS = re.compile(rb"[\[{\]}]")

NUMBERS = (
    b"2147483648", b"4294967295", b"4294967296", b"9223372036854775808", b"18446744073709551615", b"1" * 25,
    b"9" * 5000, b"-1", b"-0", b"-9" * 20, b"1.0", b"1e0", b"1E400", b"-1e-400", b"0." + b"3" * 4000, b"01", b"1.",
    b"+1",
)  # fmt: skip
NO_UTF8 = (b"\xff", b"\xc0\xaf", b"\xed\xa0\x80", b"\xf0\x9f", b"\x80", b"\xfe\xff", b"\xf4\x90\x80\x80", b"\xc3")
ODD_TEXT = (
    b"\\u0000", b"\\ud800", b"\\udc00\\ud800", b"\\ud83d\\ude00", b"\\x", b"\\", b"\x00", b"\x1b[31m", b"\n", b"\\n",
    b'\\"', "\u2028".encode(), "e\u0301".encode(), "🦊".encode(), b"\xef\xbb\xbf", b"/*", b"\\u00", b"},\n  {",
)  # fmt: skip


def truncate(content: bytes, random: Random, others: Sequence[bytes]) -> bytes:
    """The end is missing, or the beginning."""
    place = random.randrange(len(content) + 1)
    return content[:place] if random.random() < 0.8 else content[place:]


def flip(content: bytes, random: Random, others: Sequence[bytes]) -> bytes:
    """A few bits are others."""
    changed = bytearray(content)
    for _ in range(random.choice((1, 1, 1, 3, 20)) if changed else 0):
        changed[random.randrange(len(changed))] ^= 1 << random.randrange(8)
    return bytes(changed)


def splice(content: bytes, random: Random, others: Sequence[bytes]) -> bytes:
    """A piece of another file stands in this one, beside what was there or in its place."""
    piece = _slice(random.choice(others), random)
    begin, end = _span(content, random)
    return content[:begin] + piece + content[random.choice((begin, end)) :]


def graft(content: bytes, random: Random, others: Sequence[bytes]) -> bytes:
    """A whole object or list of another file in the place of one of this."""
    (begin, end), other = _bracketed(content, random), random.choice(others)
    return content[:begin] + other[slice(*_bracketed(other, random))] + content[end:]


def duplicate(content: bytes, random: Random, others: Sequence[bytes]) -> bytes:
    """A piece stands twice: any bytes, or a whole object or list."""
    if random.random() < 0.5:
        begin, end = _span(content, random)
        return content[:end] + content[begin:end] + content[end:]
    begin, end = _bracketed(content, random)
    return content[:end] + b"," + content[begin:end] + content[end:]


def drop(content: bytes, random: Random, others: Sequence[bytes]) -> bytes:
    """A piece is missing from the middle."""
    begin, end = _span(content, random)
    return content[:begin] + content[end:]


def nest(content: bytes, random: Random, others: Sequence[bytes]) -> bytes:
    """A value lies deep inside of others."""
    begin, end = _match(_VALUE, content, random)
    depth = random.choice((1, 2, 60, 999, 1001, 3000, 20_000))
    opening, closing = random.choice(((b"[", b"]"), (b'{"a":', b"}"), (b'[{"a":', b"}]"), (b"[", b"")))
    return content[:begin] + opening * depth + content[begin:end] + closing * depth + content[end:]


def number(content: bytes, random: Random, others: Sequence[bytes]) -> bytes:
    """A number in the place of a value: huge, broken, or no integer."""
    begin, end = _match(_VALUE, content, random)
    return content[:begin] + random.choice(NUMBERS) + content[end:]


def break_utf8(content: bytes, random: Random, others: Sequence[bytes]) -> bytes:
    """Bytes that are no text."""
    place = random.randrange(len(content) + 1)
    return content[:place] + random.choice(NO_UTF8) + content[place:]


def odd_text(content: bytes, random: Random, others: Sequence[bytes]) -> bytes:
    """Text that is odd, or that breaks the string in which it stands."""
    begin, end = _match(_STRING, content, random)
    place = random.randint(min(begin + 1, end), max(begin + 1, end - 1)) if end else 0
    return content[:place] + random.choice(ODD_TEXT) + content[place:]


def exchange(content: bytes, random: Random, others: Sequence[bytes]) -> bytes:
    """One token in the place of another: a value of another type, a comma too many, a bracket that does not fit."""
    (begin, end), other = _match(_TOKEN, content, random), random.choice(others)
    return content[:begin] + other[slice(*_match(_TOKEN, other, random))] + content[end:]


def rename(content: bytes, random: Random, others: Sequence[bytes]) -> bytes:
    """A key has the name of another, or none that is known."""
    begin, end = _match(_KEY, content, random)
    key = random.choice((b'""', b'"ID"', b'"a/b~c"', b'"\\u0069d"', content[slice(*_match(_KEY, content, random))]))
    return content[:begin] + key + content[end:]


def value(content: bytes, random: Random, others: Sequence[bytes]) -> bytes:
    """A value in the place of another: ids that meet, types that do not fit, nulls."""
    begin, end = _match(_VALUE, content, random)
    other = content[slice(*_match(_VALUE, content, random))]
    return content[:begin] + random.choice((other, other, b"null", b"[]", b"{}", b'""')) + content[end:]


def blank(content: bytes, random: Random, others: Sequence[bytes]) -> bytes:
    """A run of bytes that the disk never wrote, a byte order mark, another encoding, another layout."""
    begin, end = _span(content, random)
    return random.choice(
        (
            content[:begin] + b"\0" * (end - begin) + content[end:],
            content[:begin] + b" " * (end - begin) + content[end:],
            b"\xef\xbb\xbf" + content,
            content.decode("utf-8", "replace").encode("utf-16"),
            content.replace(b"\n", b"\r\n"),
            content.replace(b"\n", b""),
            content + b"\0" * 4096,
        )
    )


MUTATIONS: tuple[Mutation, ...] = (
    truncate, flip, splice, graft, duplicate, drop, nest, number, break_utf8, odd_text, exchange, rename, value, blank,
)  # fmt: skip


def mutate(content: bytes, random: Random, others: Sequence[bytes]) -> tuple[bytes, list[str]]:
    """A file with one mutation, now and then with several; and which."""
    chosen = random.choices(MUTATIONS, k=random.choice((1, 1, 1, 1, 2, 3)))
    for mutation in chosen:
        content = mutation(content, random, others)
    return content, [mutation.__name__ for mutation in chosen]


def _span(content: bytes, random: Random) -> tuple[int, int]:
    """Mostly a short one."""
    begin = random.randrange(len(content) + 1)
    return begin, min(len(content), begin + random.choice((1, 1, 2, 5, 30, 300, 3000)))


def _slice(content: bytes, random: Random) -> bytes:
    return content[slice(*_span(content, random))]


def _match(pattern: re.Pattern[bytes], content: bytes, random: Random) -> tuple[int, int]:
    """Where one of a pattern's matches lies; where there is none, nothing at the beginning."""
    start = random.randrange(len(content) + 1)
    found = pattern.search(content, start) or pattern.search(content)
    return found.span() if found else (0, 0)


def _bracketed(content: bytes, random: Random) -> tuple[int, int]:
    """An object or list, as far as counting brackets can tell."""
    begin, _ = _match(re.compile(rb"[\[{]"), content, random)
    depth = 0
    for token in _BRACKETS.finditer(content, begin):
        depth += 1 if token[0] in b"[{" else -1
        if depth <= 0:
            return begin, token.end()
    return begin, len(content)
