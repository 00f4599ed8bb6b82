"""Credentials in texts are masked and counted, and ordinary text is left alone."""

from __future__ import annotations

import time
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ait42nb.credentials import count_credentials, masked

LETTERS = "Ab3" * 100
CREDENTIALS = {
    "aws_key": "AKIA" + "ABCDEFGH12345678",
    "github_token": "ghp_" + LETTERS[:36],
    "gitlab_token": "glpat-" + LETTERS[:20],
    "slack_token": "xoxb-" + "123456789012-" + LETTERS[:20],
    "anthropic_key": "sk-ant-" + "api03-" + LETTERS[:80],
    "openai_key": "sk-" + "proj-" + LETTERS[:60],
    "google_key": "AIza" + LETTERS[:35],
    "json_web_token": "eyJ" + LETTERS[:20] + ".eyJ" + LETTERS[:30] + "." + LETTERS[:40],
    "private_key": "-----BEGIN RSA "
    + "PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n"
    + LETTERS
    + "\n-----END RSA "
    + "KEY-----",
    "bearer": "Bearer " + LETTERS[:30],
    "url_password": "//",  # only within an address, below
    "password": "",  # only behind its name, below
}


@pytest.mark.parametrize("kind", [kind for kind in CREDENTIALS if len(CREDENTIALS[kind]) > 2])
@pytest.mark.parametrize("around", ["{}", "鍵は{}です", 'x="{}";', "see ({}).", "\n{}\n"])
def test_credentials_are_masked(kind, around):
    """Each kind is found, also between Japanese letters, counted by its kind and never quoted."""
    text = around.format(CREDENTIALS[kind])

    assert count_credentials(text) == Counter({kind: 1})
    assert masked(text) == around.format(f"••••••({kind})")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("password=hunter2 next", "password=••••••(password) next"),
        ('{"token": "abc def", "x": 1}', '{"token": ••••••(password), "x": 1}'),
        ('"{\\"secret\\": \\"abc\\"}"', '"{\\"secret\\": ••••••(password)}"'),
        ("export API_KEY='abc'", "export API_KEY=••••••(password)"),
        ("パスワード：ひみつだよ", "パスワード：••••••(password)"),
        ("AWS_SECRET_ACCESS_KEY=wJalr/abc+def", "AWS_SECRET_ACCESS_KEY=••••••(password)"),
        ("postgres://aki:hunter2@db/x", "postgres://••••••(url_password)@db/x"),
    ],
)
def test_what_stands_behind_a_password_is_masked(text, expected):
    """The name of a password stays, its value goes."""
    assert masked(text) == expected
    assert count_credentials(text).total() == 1


@pytest.mark.parametrize(
    "text",
    [
        "0123456789abcdef" * 4,
        "the token was renewed; tokens: none",
        "https://example.org/a:b",
        "bearer of good news",
        "if password == other:",
        "sk-learn and sk-image",
        "task-ant-colony-optimisation-in-production",
        "9f86d081-884c-4d63-a159-1c3f0b2e7d55",
        "2025-11-01T09:00:00.123456789+00:00",
    ],
)
def test_ordinary_text_is_left_alone(text):
    """Hashes, ids, times and prose are no credentials."""
    assert masked(text) == text


@given(
    st.lists(st.one_of(st.sampled_from([*CREDENTIALS.values(), "password=", "token: ", '"', " "]), st.text(max_size=9)))
)
def test_nothing_is_left_to_mask(parts):
    """What was masked once has no credential in it."""
    assert not count_credentials(masked("".join(parts)))


@pytest.mark.parametrize(
    "text", ["a", "eyJ-", "://a", "glpat-", 'password="', "-----BEGIN PRIVATE KEY-----", "bearer "]
)
def test_hostile_text_costs_its_length(text):
    """No text makes the search quadratic: half a megabyte takes well under a second."""
    start = time.perf_counter()
    masked(text * (500_000 // len(text)))

    assert time.perf_counter() - start < 3
