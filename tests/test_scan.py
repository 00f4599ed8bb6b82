"""Strict JSON by its text: where values begin and end, what is none, and when two records are equal."""

from __future__ import annotations

import json

import pytest

from ait42nb import scan

DEEP = 50_000


@pytest.mark.parametrize(
    "text",
    [
        "[]", " {} ", '{"a": [1, -0, 1.5e+7, true, false, null]}', '"\\ud800"', '{"a": 1, "a": 2}', '"\u2028\x7f"',
        "[" * DEEP + "]" * DEEP, '{"a":' * DEEP + "0" + "}" * DEEP, "1" * 10_000,
    ],
    ids=lambda text: text[:20],
)  # fmt: skip
def test_json(text: str):
    """What RFC 8259 takes, at any depth and length."""
    assert scan.is_json(text)


@pytest.mark.parametrize(
    "text",
    [
        "", " ", "[1,]", '{"a": 1,}', "[1 2]", "{'a': 1}", '{"a" 1}', "{1: 2}", "[01]", "[+1]", "[1.]", "[.5]", "[1e]",
        "NaN", "[Infinity]", "[-Infinity]", '"a\tb"', '"\\x"', '"\\u12"', '"', "[", "]", "[}", "nul", "[] []",
        "// a\n[]", "[\x0b1]", "\ufeff[]", "[" * DEEP + "}" + "]" * (DEEP - 1), "[" * DEEP + "1," + "]" * DEEP, "[٣]",
        '{"a":' * DEEP + "01" + "}" * DEEP, '{"a":' * DEEP + "}" * DEEP, "[" * DEEP,
    ],
    ids=lambda text: repr(text[:20]) + str(len(text)),
)  # fmt: skip
def test_no_json(text: str):
    """What readers let pass here and there is refused: a comma too many, other digits, control characters."""
    assert not scan.is_json(text)


def test_where_values_end():
    text = '  {"a": "}", "b": [1, {"c": "]"}]} , 12e3,"x\\"y"'
    for value in ('{"a": "}", "b": [1, {"c": "]"}]}', "12e3", '"x\\"y"'):
        begin = text.index(value)
        assert scan.value_end(text, begin) == begin + len(value)


def test_elements_and_members_keep_their_text():
    """Numbers with all their digits, keys unescaped, repeats included."""
    array = ' [ 1.10 , "a,]" ,{"b":[ ]}, [ ] ]'
    at = array.index("[")
    assert [array[b:e] for b, e in scan.elements(array, at)] == ["1.10", '"a,]"', '{"b":[ ]}', "[ ]"]
    assert list(scan.members('{ "a" : 1.10 , "\\u0061" : {"x": 1} , "\\ud800": null }')) == [
        ("a", "1.10"),
        ("a", '{"x": 1}'),
        ("\ud800", "null"),
    ]
    assert list(scan.elements("[ ]")) == list(scan.members("{ }")) == []


def cut(text: str) -> tuple[list[str], bool]:
    """The elements that can be cut out of a broken array, and whether it was whole."""
    content = text.encode()
    cutter = scan.Cutter(content, content.index(b"["))
    return [content[b:e].decode() for b, e in cutter], cutter.whole


@pytest.mark.parametrize(
    ("text", "elements", "whole"),
    [
        ("[]", [], True),
        ("[ 1 , 2 ] ", ["1", "2"], True),
        ('[{"a": 1}, {"b": ', ['{"a": 1}'], False),
        ('[{"a": "]}"}, 1]', ['{"a": "]}"}', "1"], True),
        ('[{"a": "\\"]"}]', ['{"a": "\\"]"}'], True),
        ("[{bad}, [1,, 2], {'x': 1}]", ["{bad}", "[1,, 2]", "{'x': 1}"], True),
        ("[{(]}, 1]", ["{(]"], False),
        ("[1] 2", ["1"], False),
        ("[1,]", ["1"], False),
        ("[1,,2]", ["1"], False),
        ("[1 2]", ["1"], False),
        ("[1, word, 2]", ["1"], False),
        ("[1, 02]", ["1", "0"], False),
        ('[1, "torn', ["1"], False),
        ("[1, -", ["1"], False),
        ("[", [], False),
        ('[{"日": "本語🎤"}, nul', ['{"日": "本語🎤"}'], False),
        ("[true,false,null,-1.5e3]", ["true", "false", "null", "-1.5e3"], True),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_cutting(text: str, elements: list[str], whole: bool):
    """Brackets outside strings are counted; where an element has no end, cutting stops."""
    assert cut(text) == (elements, whole)


def test_cutting_a_large_string_costs_no_stack():
    """A capture of megabytes, full of escapes and brackets."""
    text = json.dumps(['"]}\\' * 500_000, 1])
    assert cut(text) == ([text[1:-4], "1"], True)


def test_cutting_says_where_it_stopped():
    cutter = scan.Cutter(b'[1, {"torn', 0)
    list(cutter)
    assert cutter.stopped == "is no JSON from byte 4 on"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ('{"a": 1, "b": 2}', '{"b":2,"a":1}'),
        ('{"a": "\\u0041\\/"}', '{"a": "A/"}'),
        ('{"a": 1, "b": null}', '{"a": 1}'),
        ('{"a": {"x": 1, "y": [2]}}', '{"a": {"y": [ 2 ], "x": 1}}'),
        ('"msg/1"', '"\\u006dsg\\/1"'),
        ('"\x7f é"', '"\\u007f \\u00e9"'),
        (" 12", "12 "),
        ("[" * DEEP + " 1" + "]" * DEEP, "[" * DEEP + "1" + "]" * DEEP),
    ],
    ids=lambda text: text[:30],
)
def test_equal_records(one: str, other: str):
    """Order of keys, escapes, blanks and an object's own nulls carry no meaning."""
    assert scan.canonical(one) == scan.canonical(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ('{"a": 1}', '{"a": 1.0}'),
        ('{"a": 1}', '{"a": "1"}'),
        ('{"a": 1}', '{"a": true}'),
        ('{"a": 0}', '{"a": -0}'),
        ('{"a": 1.10}', '{"a": 1.1}'),
        ('{"a": {"b": null}}', '{"a": {}}'),
        ('{"a": [null]}', '{"a": []}'),
        ('{"a": [1, 2]}', '{"a": [2, 1]}'),
        ('{"a": {"b": 1, "b": 2}}', '{"a": {"b": 2}}'),
        ('{"a": "é"}', '{"a": "e\u0301"}'),
        ('{"a": "\\ud800"}', '{"a": "\\ud801"}'),
        ('{"a": ["1,2"]}', '{"a": ["1", "2"]}'),
    ],
)
def test_different_records(one: str, other: str):
    """A number is its digits, and what stands inside counts, nulls included."""
    assert scan.canonical(one) != scan.canonical(other)


def test_half_a_surrogate_pair():
    assert scan.has_broken_text('["a", "\\uD83D"]')
    assert scan.has_broken_text('"\\udfa4\\ud83c"')
    assert not scan.has_broken_text('["\\ud83c\\udfa4", "\\\\ud83c"]')


@pytest.mark.parametrize(
    ("text", "at"), [(b"[", 0), (b" \r\n\t[", 4), (b"\xef\xbb\xbf [", 4), (b"\xef\xbb\xbf\xef\xbb\xbf[", 3)]
)
def test_where_the_text_begins(text: bytes, at: int):
    """After one byte order mark and blanks."""
    assert scan.first_byte(text) == at
