"""The survey before a run: every line good, a warning or blocking, with what to do; and it touches nothing."""

from __future__ import annotations

import os
import shutil
import sqlite3
import time
from contextlib import closing

import pytest
from snapshots import snapshot

from ait42nb import pipeline, preflight, report
from ait42nb.display import Step
from ait42nb.samples import instance, session

APP = "/home/aki/app"


@pytest.fixture
def look(home):
    """Open a run on the home and look; `beside`: while the one before goes on."""
    runs = []

    def looked(*, beside: bool = False, **parameters: object) -> Lines:
        for former in () if beside else runs:
            former.close()
        run = pipeline.start({"ait42_home": str(home.path), "redact": False} | parameters)
        runs.append(run)
        return Lines(run, preflight.assess(run).steps)

    yield looked
    for run in runs:
        run.close()


class Lines:
    """What was found, to ask for by kind and words."""

    def __init__(self, run: pipeline.Run, steps: list[Step]) -> None:
        self.run, self.steps = run, steps

    def of(self, kind: str) -> list[str]:
        return [f"{step.title} / {step.remedy}" for step in self.steps if step.kind == kind]

    def says(self, kind: str, *words: str) -> bool:
        return any(all(word in line for word in words) for line in self.of(kind))


def told(**more: object) -> dict[str, object]:
    return session(instances=[instance(worktreePath=f"{APP}/.worktrees/c-1/instance-1")], **more)


def test_a_home_in_order_is_good_throughout(home, look):
    """Each thing has its line: home, files, database, space, mapping, versions, duration; and nothing was touched."""
    os.utime(home.write(APP, [told()], mapped=False), (0, 0))
    before = snapshot(home.path)
    lines = look()

    assert [step.kind for step in lines.steps] == ["good"] * 7
    for words in (
        "can be read; nothing will be written",
        "1 session file, ",
        "no database yet",
        "are free",
        "SQLite 3",
    ):
        assert lines.says("good", words)
    assert lines.says("good", "The workspace of every file is known")
    assert lines.says("good", "It will take about 3 seconds")
    assert snapshot(home.path) == before
    assert not lines.run.failure


def test_a_real_run_says_that_it_writes_and_backs_up(home, look):
    home.write(APP, [told()])
    lines = look(dry_run=False)

    assert lines.says("good", "can be read and written") and lines.says("good", "A backup is made")
    assert lines.says("good", "free in the home")
    assert look(dry_run=False, backup=False).says("warning", "No backup will be made", "backup = True")


def test_the_opening_promises_no_backup_that_is_not_made(home, look):
    assert "A backup comes first" in str(report.opening(look(dry_run=False).run))
    assert "No backup is made" in str(report.opening(look(dry_run=False, backup=False).run))
    assert "Nothing will be written" in str(report.opening(look().run))


def test_odd_files_are_counted_with_what_to_do(home, look):
    """What is no file, and what is named for no hash."""
    home.write(APP, [told()])
    (home.path / "sessions" / "folder.json").mkdir()
    (home.path / "sessions" / "nowhere.json").symlink_to("nothing")
    home.put("notes.json", [])
    home.put("notes.txt", "no session file")
    lines = look()

    assert lines.says("good", "2 session files")
    assert lines.says("warning", "2 entries of sessions/ cannot be read", "chmod u+r")
    assert lines.says("warning", "1 file not named for a hash")


def test_an_editor_that_runs_is_seen(home, look):
    file = home.write(APP, [told()])
    os.utime(file, (time.time(), time.time()))

    assert look().says("warning", "written within the last 2 minutes", "no harm")


def test_no_files_at_all_is_a_warning(home, look):
    assert look().says("warning", "There are no session files", "Is this the editor's folder?")


def test_workspaces_that_are_not_known_at_once_are_counted(home, look):
    """One of two is no reason to worry; none, or a run that would fail for it, is."""
    home.write(APP, [told()], mapped=False)
    home.write("/gone", [session(id="s2")], mapped=False)

    assert look().says("good", "1 of 2 files are known at once", "is asked for, or held back")
    assert look(on_unmapped="fail").says("warning", "1 of 2", "fails the run")
    home.write(APP, [told()], mapped=False).unlink()
    assert look().says("warning", "0 of 1 file are known")


def test_what_blocks_has_failed_the_run_already(home, look):
    """The line and the run say the same, and later looks still tell what they see."""
    home.write(APP, [told()])
    (home.path / "workspace_mapping.json").write_text("{broken")
    lines = look()

    (blocking,) = lines.of("blocking")
    assert "workspace_mapping.json" in blocking and lines.run.failure.problem in blocking
    assert lines.run.told and lines.says("good", "SQLite 3")


@pytest.mark.parametrize("parameters", [{"dry_run": "maybe"}, {"ait42_home": "/nowhere/at/all"}])
def test_without_a_home_or_settings_there_is_nothing_more_to_see(look, parameters):
    lines = look(**parameters)

    assert [step.kind for step in lines.steps] == ["blocking"]


def test_another_run_blocks(home, look):
    home.write(APP, [told()])
    first = look()
    second = look(beside=True)

    assert not first.run.failure
    assert second.says("blocking", "another run")
    assert len(second.of("blocking")) == 1 and second.says("good", "1 session file")


def test_too_little_space_blocks(home, look, monkeypatch):
    home.write(APP, [told()])
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10, 9, 1))

    assert look().says("blocking", "free")


def test_an_old_sqlite_blocks(home, look, monkeypatch):
    home.write(APP, [told()])
    monkeypatch.setattr(preflight, "OLDEST_SQLITE", (99, 0))

    assert look().says("blocking", "trigram", "Install a Python")


# The database ---------------------------------------------------------------------------------------------------------


def test_what_is_stored_is_counted(home, look):
    home.write(APP, [told(), session(id="s2")])
    home.migrate()

    assert look().says("good", "The database holds 2 sessions; this run merges into it")


def test_a_run_that_was_cut_off_is_told(home, look):
    home.write(APP, [told()])
    home.migrate()
    with closing(sqlite3.connect(home.database)) as connection:
        connection.execute("update migration_runs set finished_at = null")
        connection.commit()

    assert look().says("warning", "1 earlier run cut off")


def test_the_log_of_a_former_database_blocks_a_real_run(home, look):
    """SQLite would replay it into the new one; a dry run only says so."""
    home.write(APP, [told()])
    (home.path / "sessions.db-wal").write_bytes(b"old")

    assert look().says("warning", "sessions.db-wal", "Move it away")
    assert look(dry_run=False).says("blocking", "sessions.db-wal")


@pytest.mark.parametrize("content", [b"no database at all, but text", b"SQLite format 3\0" + b"\xff" * 4000])
def test_a_file_that_is_no_database_blocks(home, look, content):
    home.write(APP, [told()])
    home.database.write_bytes(content)

    lines = look()
    assert lines.says("blocking", "left untouched")
    assert home.database.read_bytes() == content


def test_somebody_elses_database_blocks(home, look):
    home.write(APP, [told()])
    with closing(sqlite3.connect(home.database)) as connection:
        connection.execute("create table songs (title)")

    assert look().says("blocking", "sessions.db", "left untouched")


def test_an_empty_database_is_filled(home, look):
    home.write(APP, [told()])
    home.database.touch()

    assert look().says("good", "The database is empty")


# What it may show -----------------------------------------------------------------------------------------------------


def test_under_redact_no_path_is_shown(home, look):
    """Neither the home nor the name of a file that a person gave."""
    home.put("私の秘密.json", [session()])
    (home.path / "workspace_mapping.json").write_text("{broken")
    lines = look(redact=True)

    text = str(preflight.Steps(lines.steps))
    assert lines.of("blocking")
    assert str(home.path) not in text and "私の秘密" not in text


def test_killed_runs_are_told(home, look):
    """A dry run leaves what it finds; a real one clears it away."""
    home.write(APP, [told()])
    left = home.path / ".ait42nb-20250101T000000Z-abcdef"
    left.mkdir()

    assert look().says("warning", "1 work folder", left.name, "A real run clears it away")
    assert left.is_dir()
    assert look(dry_run=False).says("warning", left.name, "has cleared it away")
    assert not left.exists()
