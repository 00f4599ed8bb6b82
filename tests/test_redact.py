"""Under `redact` errors still say what to do, and nothing that a person or a library wrote."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from ait42nb import database
from ait42nb.errors import DatabaseRefused, HomeError, SourceError
from ait42nb.redact import error_line, error_words, file_hash, source_path

HOME = Path("/home/aki/.ait42")
HASH = "0123456789abcdef"


def test_hashes_stay_and_other_names_become_one():
    """A file that is named for no hash shows under one that tells it from others."""
    assert file_hash(HASH, True) == HASH
    assert source_path(f"sessions/{HASH}.json", True) == f"sessions/{HASH}.json"
    assert "秘密" not in source_path("sessions/秘密.json", True)
    assert source_path("sessions/秘密.json", True) != source_path("sessions/内緒.json", True)
    assert source_path("sessions/秘密.json", False) == "sessions/秘密.json"


@pytest.mark.parametrize(
    ("where", "shown"),
    [
        (HOME, "the home"),
        (HOME / "sessions.db", "sessions.db in the home"),
        (HOME / "sessions.db-wal", "sessions.db-wal in the home"),
        (HOME / "sessions" / f"{HASH}.json", f"sessions/{HASH}.json in the home"),
        (HOME / "sessions" / "my secret name.json", "a file in the home"),
        ("/srv/secret/map.yaml", "SourceError"),
        ("~/secret/map.yaml", "SourceError"),
        ("workspace /Users/aki/secret", "SourceError"),
        ("parameter dry_run", "parameter dry_run"),
        ("take_snapshot", "take_snapshot"),
    ],
)
def test_where_it_stopped(where, shown):
    """Places that have a fixed name keep it; any other is only told to be in the home, or not at all."""
    assert error_words(SourceError(where, "x", "y"), True, HOME)[0] == shown
    assert error_words(SourceError(where, "x", "y"), False, HOME)[0] == str(where)


def test_paths_in_the_words_go():
    """What to do stays readable without the places."""
    error = HomeError(
        HOME, f"lies beside '/srv/secret/x', see {HOME}/a", f"chmod u+w {HOME}/sessions, or ./secret/that"
    )

    _, problem, remedy = error_words(error, True, HOME)

    assert problem == "lies beside '(redacted)', see a file in the home"
    assert remedy == "chmod u+w sessions in the home, or (redacted)"


def test_a_librarys_words_go():
    """SQLite's own message never shows, also where only its text has travelled on."""
    caused = DatabaseRefused(HOME, "it was not accepted: CHECK constraint failed: secret", "Correct it")
    caused.__cause__ = sqlite3.IntegrityError("CHECK constraint failed: secret")

    assert error_words(caused, True, HOME)[1] == "it was not accepted"
    for ours in ("it is damaged", "it is not accepted", "SQLite failed"):
        assert error_words(DatabaseRefused(HOME, f"{ours}: no such table: secret", "-"), True, HOME)[1] == ours


def test_whatever_sqlite_says(home, monkeypatch: pytest.MonkeyPatch):
    """What the driver raises while a copy is brought up to date passes through two hands, and says the same."""
    home.write("/home/aki/app", [])
    home.migrate()

    def fails(*_: object) -> None:
        with database.driver_errors("stored.db"):
            raise sqlite3.OperationalError("no such table: secret")

    monkeypatch.setattr(database, "connect", fails)
    for redact in (True, False):
        run = home.run(redact=redact)
        assert ("secret" in error_line(run.failure, redact, home.path)) == (not redact)
        assert "SQLite failed" in error_line(run.failure, redact, home.path)
