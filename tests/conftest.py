"""A home to migrate, in three lines a test: write, migrate, ask."""

from __future__ import annotations

import json
import os
import sqlite3
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

import oracle

from ait42nb import pipeline, samples
from ait42nb.mapping import workspace_hash
from ait42nb.summary import read_summary, summarize

pytest.register_assert_rewrite("support")  # which asserts for the tests of the faults


class Home:
    """A home in a temporary folder. Workspaces need not exist; what is written is mapped unless told otherwise."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.database = path / "sessions.db"
        self.mapping: dict[str, str] = {}
        (path / "sessions").mkdir(parents=True)

    def write(self, workspace: str, sessions: object, *, mapped: bool = True) -> Path:
        """A workspace's file as the editor writes it; bytes and text are written as they are."""
        hash_ = workspace_hash(workspace)
        if mapped:
            self.mapping[hash_] = workspace
            (self.path / "workspace_mapping.json").write_text(json.dumps(self.mapping, ensure_ascii=False))
        return self.put(f"{hash_}.json", sessions)

    def put(self, name: str, content: object) -> Path:
        """A file in `sessions`, whatever it is called."""
        file = self.path / "sessions" / name
        if isinstance(content, bytes):
            file.write_bytes(content)
        else:
            file.write_text(content if isinstance(content, str) else samples.dumps(content), encoding="utf-8")
        # An empty file that is not brand-new needs no second look.
        old = time.time() - 60
        os.utime(file, (old, old))
        return file

    def migrate(self, **parameters: object) -> dict[str, object]:
        """A real run without a backup; it must succeed, and hold what the oracle says."""
        run = self.run(**parameters)
        if run.failure:
            raise run.failure
        if not run.settings.dry_run:
            oracle.check(self.path, self.database)
        return summarize(run)

    def run(self, **parameters: object) -> pipeline.Run:
        """A run as it comes, failed or not."""
        settings = {"ait42_home": str(self.path), "dry_run": False, "backup": False, "redact": False} | parameters
        return pipeline.migrate(**settings)

    def execute(self, notebook: Path, out: Path, **parameters: object) -> dict[str, object]:
        """A notebook as papermill runs it, in a kernel; its summary."""
        import papermill  # takes a second

        given = {"ait42_home": str(self.path), **parameters}
        papermill.execute_notebook(str(notebook), str(out), parameters=given, progress_bar=False)
        return read_summary(out)

    def forget(self) -> None:
        """As if it had never been migrated."""
        for file in self.path.glob("sessions.db*"):
            file.unlink()

    def rows(self, query: str, *parameters: object) -> list[tuple]:
        with closing(sqlite3.connect(f"file:{self.database}?mode=ro", uri=True)) as connection:
            return connection.execute(query, parameters).fetchall()


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "home")


@pytest.fixture(autouse=True)
def _no_real_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """No test ever touches the real ~/.ait42."""
    monkeypatch.setenv("HOME", str(tmp_path / "nobody"))
    yield
