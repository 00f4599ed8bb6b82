"""Publishing: all or nothing, nothing overwritten, and in a dry run nothing at all. Merging: see test_merge."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import stat
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from snapshots import content, snapshot

from ait42nb import pipeline, publish, samples
from ait42nb.errors import Ait42Error, DatabaseLocked, DatabaseRefused, RunInProgress, StrictRefused
from ait42nb.reconcile import KINDS
from ait42nb.samples import message, session
from ait42nb.summary import summarize

APP = "/home/aki/app"
ROOT = Path(__file__).parents[1]


def names(home) -> list[str]:
    return sorted(path.name for path in home.path.iterdir())


def test_the_database_is_published_private_and_in_wal_mode(home):
    """Readable by its owner alone, in the mode in which the editor uses it, with nothing left beside it."""
    home.write(APP, [session()])
    home.run()
    assert names(home) == ["sessions", "sessions.db", "workspace_mapping.json"]
    assert stat.S_IMODE(home.database.stat().st_mode) == 0o600
    assert home.rows("pragma journal_mode") == [("wal",)]
    assert home.rows("pragma integrity_check") == [("ok",)]


def test_the_run_writes_itself_down(home):
    """In the same file and transaction as the data, with the summary that the notebook shows."""
    home.write(APP, [session(), session(status="odd", id="x")])
    run = home.run()
    ((run_id, kind, finished, outcome, summary),) = home.rows(
        "select run_id, kind, finished_at is not null, outcome, summary from migration_runs"
    )
    assert (run_id, kind, finished, outcome) == (run.run_id, "migrate", 1, "held")
    stored, shown = json.loads(summary), summarize(run)
    for fixed in ("balance", "rejects", "warnings", "validation", "stats"):
        assert stored[fixed] == json.loads(json.dumps(shown[fixed]))


def test_again_is_nothing(home):
    """A second run over the same state changes no row but adds its own, and says so (invariant 8)."""
    home.write(APP, [session(chatHistory=[message()]), session(), session(id="x", status="odd")])
    home.run()
    runs_of = "select source_path, run_id from migration_files order by 1"
    before = (content(home.database), home.rows(runs_of))

    second = summarize(home.run())

    assert (content(home.database), home.rows(runs_of)) == before
    assert home.rows("select count(*) from migration_runs") == [(2,)]
    sessions = {"source": 3, "inserted": 0, "updated": 0, "unchanged": 1, "database_newer": 0, "shadowed": 1, "held": 1}
    assert second["balance"]["sessions"] == sessions
    assert second["stats"]["sessions_migrated"] == 0


# A dry run


def test_a_dry_run_writes_nothing_and_tells_all(home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Neither in the home nor elsewhere; the real run after it has the same books and rejects (invariant 4)."""
    samples.write_home(home.path, files=3, sessions=30, broken=True)
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(temporary))
    before = snapshot(home.path)

    dry = summarize(home.run(dry_run=True))

    assert snapshot(home.path) == before
    assert list(temporary.iterdir()) == []
    real = summarize(home.run())
    assert (dry["dry_run"], real["dry_run"]) == (True, False)
    for told in ("outcome", "balance", "rejects", "warnings", "stats"):
        assert dry[told] == real[told], told


def test_a_dry_run_beside_a_database_writes_nothing(home):
    """Not even SQLite's side files, and no time of access."""
    home.write(APP, [session()])
    home.run()
    home.write(APP, [session(task="changed"), session(id="new")])
    before = snapshot(home.path)
    summary = summarize(home.run(dry_run=True))
    assert snapshot(home.path) == before
    assert summary["balance"]["sessions"]["inserted"] == 1


# Nothing overwritten


@pytest.mark.parametrize("suffix", ["-wal", "-shm", "-journal"])
def test_side_files_of_a_former_database_are_refused(home, suffix: str):
    """SQLite would replay them into the new database; they may hold what somebody still needs."""
    home.write(APP, [session()])
    stray = home.path / f"sessions.db{suffix}"
    stray.write_bytes(b"former")

    run = home.run()

    assert isinstance(run.failure, DatabaseRefused)
    assert f"sessions.db{suffix} of a former database lies where the new one goes" in str(run.failure)
    assert stray.read_bytes() == b"former"
    assert names(home) == ["sessions", stray.name, "workspace_mapping.json"]


@pytest.mark.parametrize("what", ["file", "folder", "link"])
def test_what_appears_during_the_run_is_not_overwritten(home, what: str, monkeypatch: pytest.MonkeyPatch):
    """The editor was started meanwhile, and made its own."""
    home.write(APP, [session()])
    durable = publish._make_durable

    def meanwhile(staged: Path) -> None:
        durable(staged)
        if what == "file":
            home.database.write_bytes(b"the editor's")
        elif what == "folder":
            home.database.mkdir()
        else:
            home.database.symlink_to("elsewhere")

    monkeypatch.setattr(publish, "_make_durable", meanwhile)
    run = home.run()

    assert isinstance(run.failure, DatabaseRefused)
    assert "it has appeared during the run" in str(run.failure)
    if what == "file":
        assert home.database.read_bytes() == b"the editor's"
    assert names(home) == ["sessions", "sessions.db", "workspace_mapping.json"]


def test_a_home_in_which_another_run_works(home):
    """RunInProgress names the process; nothing is written, and a dry run is refused too."""
    home.write(APP, [session()])
    holding = (
        "import sys, pathlib; from ait42nb.home import Home\n"
        "with Home(pathlib.Path(sys.argv[1])).locked(): print(flush=True); sys.stdin.read()"
    )
    command = [sys.executable, "-c", holding, str(home.path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT) as other:
        other.stdout.readline()
        failures = [home.run(dry_run=dry).failure for dry in (True, False)]
        other.stdin.close()
    for failure in failures:
        assert isinstance(failure, RunInProgress)
        assert f"process {other.pid}" in str(failure)
    assert names(home) == ["sessions", "workspace_mapping.json"]


# All or nothing


@pytest.mark.parametrize("stage", [stage.__name__ for stage in pipeline.STAGES])
def test_whatever_stops_a_run_the_home_is_as_it_was(home, stage: str, monkeypatch: pytest.MonkeyPatch):
    """A full disk in any stage: one sentence, no database, no work folder (invariant 6)."""
    home.write(APP, [session()])
    before = inside(home)

    def fails(run: pipeline.Run) -> None:
        (run.work / "half-written").write_text("x")
        raise OSError(28, "No space left on device", str(run.work / "half-written"))

    fails.__name__ = stage
    monkeypatch.setattr(
        pipeline, "STAGES", tuple(fails if each.__name__ == stage else each for each in pipeline.STAGES)
    )
    run = home.run()

    assert isinstance(run.failure, Ait42Error)
    assert "no space left on device" in str(run.failure)
    assert inside(home) == before
    assert summarize(run)["outcome"] == "failed"


def inside(home) -> dict[str, tuple]:
    """The work folder came and went: the time of the home itself tells of it."""
    return {name: facts for name, facts in snapshot(home.path).items() if name != "."}


def test_strict_publishes_nothing_that_is_not_whole(home):
    """A held record fails the run before it publishes; shadows and warnings do not."""
    home.write(APP, [session(id="s", type="odd"), session(id="s"), session(id="t", status="odd")])
    run = home.run(strict=True)
    assert isinstance(run.failure, StrictRefused)
    assert str(run.failure).startswith(f"{home.database}: 1 files and records are held back")
    assert not home.database.exists()
    summary = summarize(run)
    assert summary["outcome"] == "failed"
    assert summary["balance"]["sessions"]["held"] == 1
    assert summary["stats"]["sessions_migrated"] == 0

    home.write(APP, [session(id="s", type="odd"), session(id="s")])
    assert summarize(home.run(strict=True))["outcome"] == "ok"


def test_what_a_failed_run_has_migrated(home, monkeypatch: pytest.MonkeyPatch):
    """Of a merge that fails between two slices what is in by then counts, not what was planned."""
    sessions = [session(id=f"s{n}", chatHistory=[message(id=f"m{n}")]) for n in range(3)]
    home.write(APP, sessions)
    home.run()
    home.write(APP, [one | {"chatHistory": [*one["chatHistory"], message(id=f"{one['id']}-new")]} for one in sessions])
    monkeypatch.setattr(publish, "SLICE_SECONDS", -1.0)

    def stop(_: float) -> None:
        raise DatabaseLocked(home.database, "is locked", "Run again")

    with monkeypatch.context() as patch:
        patch.setattr(publish.time, "sleep", stop)
        failed = summarize(home.run())

    assert failed["outcome"] == "failed"
    assert [failed["stats"][f"{kind}_migrated"] for kind in KINDS] == [0, 0, 1]
    assert summarize(home.run())["stats"]["messages_migrated"] == 2


KILLED = """
import os, signal, sys
from ait42nb import pipeline, publish, samples
publish.rename_without_overwriting = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
pipeline.migrate(ait42_home=sys.argv[1], dry_run=False, backup=False)
"""


def test_what_a_killed_run_leaves_is_cleared_by_the_next(home):
    """It left its work folder; the database is as it was: not there."""
    home.write(APP, [session()])
    killed = subprocess.run([sys.executable, "-c", KILLED, str(home.path)], cwd=ROOT)
    assert killed.returncode == -signal.SIGKILL
    assert [name[:9] for name in names(home)] == [".ait42nb-", "sessions", "workspace"]

    assert home.run(dry_run=True).failure is None
    assert len(names(home)) == 3  # a dry run writes nothing, and removes nothing
    home.run()
    assert names(home) == ["sessions", "sessions.db", "workspace_mapping.json"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files to others")
def test_as_root_new_files_belong_to_the_homes_owner(home):
    """Or the person could not open their own history."""
    home.write(APP, [session()])
    os.chown(home.path, 65534, 65534)
    home.run(backup=True)
    owners = {
        path.name: path.stat().st_uid for path in home.path.iterdir() if not path.name.startswith(("sess", "work"))
    }
    assert set(owners.values()) <= {65534}
    assert home.database.stat().st_uid == 65534


def test_a_published_database_can_be_written_at_once(home):
    """By anybody who opens it, with foreign keys and triggers in force."""
    home.write(APP, [session(id="s", chatHistory=[message(id="m")])])
    home.run()
    with closing(sqlite3.connect(home.database)) as connection:
        connection.execute("pragma foreign_keys = on")
        connection.execute("insert into chat_messages values ('n', 's', null, 'user', 'hello', 'now')")
        connection.commit()
        assert connection.execute("select message_count from sessions").fetchone() == (2,)
        with pytest.raises(sqlite3.IntegrityError):
            connection.execute("insert into chat_messages values ('o', 'nobody', null, 'user', 'hello', 'now')")
