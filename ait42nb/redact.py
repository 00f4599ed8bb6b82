"""What may be shown under `redact`: ids, hashes, counts, times and fixed codes; no text of a person or a library."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

from ait42nb.errors import Ait42Error

HIDDEN = "(redacted)"

_HASH = re.compile(r"[0-9a-f]{16}")
# The names that the editor and the kit give to files of the home.
_OURS = re.compile(
    r"sessions|sessions/[0-9a-f]{16}\.json|sessions\.db(?:-wal|-shm|-journal)?|workspace_mapping(?:_accepted)?\.json"
    r"|sessions_[a-z_]+_[0-9TZ]+\.[a-z.]+"
)
_SOURCE = re.compile(r"sessions/[^/]+?\.json")
_PATH = re.compile(r"(?<![\w.])(?:~|\.{1,2})?/[^\s,;:'\"()]+")
# SQLite's own words behind ours; they may name what a foreign schema holds.
_LIBRARY = re.compile(r"(it is damaged|it (?:was|is) not accepted|SQLite failed): .*")


def hidden(text: str, redact: bool) -> str:
    """A text of a person's, such as a path or a task."""
    return HIDDEN if redact and text else text


def file_hash(name: str, redact: bool) -> str:
    """A workspace's hash; a file may be called anything else, and then stands under a hash of that."""
    if not redact or _HASH.fullmatch(name):
        return name
    return f"(redacted {hashlib.sha256(name.encode('utf-8', 'surrogatepass')).hexdigest()[:8]})"


def source_path(path: str, redact: bool) -> str:
    """A session file as it is named in the kit's tables, relative to the home."""
    folder, _, name = path.rpartition("/")
    return f"{folder}/{file_hash(name.removesuffix('.json'), redact)}.json" if redact else path


def error_words(error: Ait42Error, redact: bool, home: Path) -> tuple[str, str, str]:
    """Where something stopped a run, what is wrong, and what to do."""
    if not redact:
        return error.where, error.problem, error.remedy
    where, problem, remedy = (_without_paths(text, error, home) for text in (error.where, error.problem, error.remedy))
    if error.where == str(home) or error.where.startswith(f"{home}/"):
        where = _in_home(error.where.removeprefix(str(home)).strip("/"))
    elif HIDDEN in where:
        where = type(error).__name__
    return where, problem, remedy


def error_line(error: Ait42Error, redact: bool, home: Path) -> str:
    """The same in one sentence, for a list of errors."""
    where, problem, remedy = error_words(error, redact, home)
    return f"{where}: {problem}. {remedy}."


def _without_paths(text: str, error: Ait42Error, home: Path) -> str:
    library = str(error.__cause__ or "")
    if len(library) > 3:
        text = text.replace(library, HIDDEN)
    text = _SOURCE.sub(lambda found: source_path(found[0], True), _LIBRARY.sub(r"\1", text))
    text = re.sub(rf"{re.escape(str(home))}((?:/[^\s,;:'\"()]+)?)", lambda found: _in_home(found[1].strip("/")), text)
    return _PATH.sub(HIDDEN, text)


def _in_home(name: str) -> str:
    if not name:
        return "the home"
    return f"{name} in the home" if _OURS.fullmatch(name) else "a file in the home"
