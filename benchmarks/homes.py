"""The made-up homes that are measured: the same seed, the same bytes. Each is made once and kept in `build/bench`."""

from __future__ import annotations

import json
import multiprocessing
import os
import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from itertools import count
from pathlib import Path

from ait42nb import samples

_SESSION = "\n  },\n  {"  # where the editor's layout ends a session and begins the next


@dataclass(frozen=True)
class Made:
    """How a home is made; the numbers of instances and messages are a session's."""

    name: str
    files: int
    sessions: int
    instances: int
    messages: int
    edit: Callable[[str], str] | None = None
    as_homes_are: bool = False

    @property
    def total(self) -> int:
        return self.sessions * self.messages

    @property
    def half(self) -> Made:
        """The same, half as large."""
        name = f"half_{self.name}"
        if self.sessions == 1:
            return replace(self, name=name, messages=self.messages // 2)
        return replace(self, name=name, files=max(1, self.files // 2), sessions=self.sessions // 2)


def hold_a_third(text: str) -> str:
    """Give every third session a status that the database refuses."""
    turn = count()
    return re.sub(r'(\n    "status": ")\w+', lambda m: m[0] if next(turn) % 3 else f"{m[1]}round_2", text)


def add_unknown_keys(text: str) -> str:
    """Give every session, instance and message a key that no column has."""
    text = text.replace('\n    "status": ', '\n    "evaluation": {"totalScore": 61.5},\n    "status": ')
    text = text.replace('\n        "branch": ', '\n        "testsPassed": 12,\n        "branch": ')
    return text.replace('\n        "role": ', '\n        "pinned": true,\n        "role": ')


GUIDE = tuple(
    Made(f"guide_{sessions}", files, sessions, 3, 10)
    for files, sessions in ((1, 10), (10, 100), (50, 500), (100, 1000))
)
TENTH = Made("tenth", 100, 1000, 10, 100)
TARGET = Made("target", 100, 10_000, 10, 100)
FOURFOLD = Made("fourfold", 400, 40_000, 10, 100)
SIZES = (*GUIDE, TENTH, TARGET, FOURFOLD)
SHAPES = (
    Made("small_files", 10_000, 10_000, 3, 10),
    Made("one_file", 1, 10_000, 10, 100),
    Made("one_session", 1, 1, 10, 100_000),
    Made("third_held", 100, 1000, 10, 100, hold_a_third),
    Made("unknown_keys", 100, 1000, 10, 100, add_unknown_keys),
    Made("as_homes_are", 100, 1000, 10, 100, as_homes_are=True),
)
BY_NAME = {made.name: made for made in (*SIZES, *SHAPES)}


def home_of(made: Made, folder: Path) -> Path:
    """The home, made if it is not there yet."""
    home = folder / "homes" / made.name
    if not home.exists():
        _apart(_make, made, home)
    return home


def _apart(work: Callable[..., None], *arguments: object) -> None:
    """In a process of its own: what is measured counts the memory that the process held which starts it."""
    process = multiprocessing.get_context("spawn").Process(target=work, args=arguments)
    process.start()
    process.join()
    if process.exitcode:
        raise SystemExit("a home could not be made")


def _make(made: Made, home: Path) -> None:
    part = home.with_name(f"{made.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    sample = samples.write_home(
        part,
        sessions=made.sessions,
        files=made.files,
        instances_per_session=made.instances,
        messages_per_session=made.messages,
        anomalies=made.as_homes_are,
    )
    if made.edit:
        _rewrite(part, made.edit)
    (part / "workspace_mapping.json").write_text(json.dumps(sample.mapping), encoding="utf-8")
    part.rename(home)


def copy_of(home: Path, folder: Path) -> Path:
    """A home to run in: its files are links to the first one's, which nothing writes to.

    They are read once: whoever comes first would else wait for the disk.
    """
    copy = folder / "run"
    shutil.rmtree(copy, ignore_errors=True)
    (copy / "sessions").mkdir(parents=True)
    for path in (home / "sessions").iterdir():
        os.link(path, copy / "sessions" / path.name)
        with path.open("rb") as reading:
            while reading.read(1 << 20):
                pass
    shutil.copy(home / "workspace_mapping.json", copy)
    return copy


def rewrite(home: Path, edit: Callable[[str], str], files: int | None = None) -> None:
    """Write the first files (or all) anew, edited."""
    _apart(_rewrite, home, edit, files)


def _rewrite(home: Path, edit: Callable[[str], str], files: int | None = None) -> None:
    for path in sorted((home / "sessions").iterdir())[:files]:
        text = edit(path.read_text(encoding="utf-8"))
        path.unlink()
        path.write_text(text, encoding="utf-8", newline="\n")


def change(every: int) -> Callable[[str], str]:
    """An edit that changes all messages of every so many sessions."""
    return partial(_change, every, count())


def _change(every: int, turn: Iterator[int], text: str) -> str:
    parts = text.split(_SESSION)
    return _SESSION.join(
        part if next(turn) % every else part.replace('"content": "', '"content": "✎ ') for part in parts
    )


def size_of(home: Path) -> int:
    return sum(path.stat().st_size for path in (home / "sessions").iterdir())
