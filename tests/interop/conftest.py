"""Builds the editor once a run; without a cargo that can, everything here is skipped with that reason."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

CRATE = Path(__file__).parent
TARGET = CRATE.parent.parent / "build" / "interop"


def cargo_is_lacking() -> str:
    """Why the editor cannot be built here, or ''."""
    needed = tomllib.loads((CRATE / "Cargo.toml").read_text())["package"]["rust-version"]
    if not shutil.which("cargo"):
        return f"cargo not found: the editor's library needs Rust {needed} or newer"
    version = subprocess.run(["cargo", "--version"], capture_output=True, text=True).stdout
    found = re.search(r"\d+\.\d+", version)
    if not found or [*map(int, found[0].split("."))] < [*map(int, needed.split("."))]:
        return f"{version.strip() or 'cargo'} is too old: the editor's library needs Rust {needed} or newer"
    return ""


LACKING = cargo_is_lacking()


def pytest_report_header() -> str | None:
    return f"tests/interop is skipped: {LACKING}" if LACKING else None


class Editor:
    """The editor's next version: one command a process, each opens the database as the editor does."""

    def __init__(self, binary: Path) -> None:
        self.binary = binary

    def __call__(self, command: str, database: Path, *arguments: str) -> Any:
        """What it answers. Raises: EditorFailed, with what sqlx said"""
        done = subprocess.run([self.binary, command, database, *arguments], capture_output=True, text=True, timeout=60)
        if done.returncode:
            raise EditorFailed(done.stderr)
        return json.loads(done.stdout)

    @contextmanager
    def writing(self, database: Path, workspace: str, command: str = "write") -> Iterator[dict[str, int]]:
        """It writes all the while; afterwards the dictionary tells how often, and the longest wait."""
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        answer: dict[str, int] = {}
        with subprocess.Popen([self.binary, command, database, workspace], **pipes, text=True) as process:
            started = process.stdout.readline()
            try:
                if started:
                    yield answer
            finally:
                output, errors = process.communicate(timeout=60)
            if process.returncode:
                raise EditorFailed(errors)
            answer |= json.loads(output)


class EditorFailed(Exception):
    """The editor ended with an error."""


@pytest.fixture(scope="session")
def editor() -> Editor:
    if LACKING:
        pytest.skip(LACKING)
    build = ["cargo", "build", "--quiet", "--manifest-path", CRATE / "Cargo.toml", "--target-dir", TARGET]
    if subprocess.run(build).returncode:
        pytest.fail("cargo cannot build the editor; what it says stands above", pytrace=False)
    return Editor(TARGET / "debug" / "editor")
