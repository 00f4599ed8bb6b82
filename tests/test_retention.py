"""Nothing goes that is not stored, proven, old enough and archived; and every guard alone keeps a file."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path

import conftest
import papermill
import pytest

from ait42nb import backup, database, retention, rollback
from ait42nb.display import Shown
from ait42nb.mapping import workspace_hash
from ait42nb.retention import REASONS, Archived, Compared, Judged, Removed
from ait42nb.samples import instance, message, session
from ait42nb.summary import read_summary

STEPS = (
    retention.read_history,
    retention.compare_records,
    retention.judge_files,
    retention.archive_files,
    retention.remove_files,
)
APP, BLOG = "/home/aki/app", "/home/aki/blog"
NOTEBOOK = Path(__file__).parent.parent / "notebooks" / "retention.ipynb"


def retain(home, **parameters):
    """The whole notebook without a notebook: a run as it comes, failed or not."""
    run = retention.start(ait42_home=str(home.path), **{"dry_run": False, **parameters})
    try:
        for step in STEPS:
            run.step(step)
    finally:
        run.close()
    return run


def reasons(run) -> dict[str, tuple[str, ...]]:
    if run.failure:
        raise run.failure
    return {Path(v.file.source_path).name: v.reasons for v in run.get(Judged).verdicts}


def files(home) -> list[str]:
    return sorted(path.name for path in (home.path / "sessions").iterdir())


def everything(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def change(home, statement: str, *parameters: object) -> None:
    with closing(sqlite3.connect(home.database, isolation_level=None)) as connection:
        connection.execute(statement, parameters)


def age(home, days: float) -> None:
    """Let the runs so far have been so many days ago."""
    change(
        home,
        "update migration_runs set started_at = strftime('%Y-%m-%dT%H:%M:%fZ', started_at, ?),"
        " finished_at = strftime('%Y-%m-%dT%H:%M:%fZ', finished_at, ?)",
        *[f"-{days} days"] * 2,
    )


@pytest.fixture(scope="module")
def template(tmp_path_factory) -> Path:
    """A home of two files that was migrated 31 days ago."""
    home = conftest.Home(tmp_path_factory.mktemp("template") / "home")
    chat = [message(id="m1", content="一"), message(id="m2", content="二")]
    record = session(id="s1", instances=[instance(instanceId=1)], chatHistory=chat) | {"evaluation": {"score": 1.50}}
    home.write(APP, [record, session(id="s1", task="shadow")])
    home.write(BLOG, [session(id="s2")])
    home.migrate()
    age(home, 31)
    return home.path


@pytest.fixture
def old(home, template: Path):
    shutil.copytree(template, home.path, dirs_exist_ok=True)
    home.app, home.blog = (home.path / "sessions" / f"{workspace_hash(path)}.json" for path in (APP, BLOG))
    return home


def test_old_and_proven_files_go(old):
    """What was migrated long enough ago, and is stored and equal, goes; tar alone brings it back byte for byte."""
    before = everything(old.path / "sessions")

    run = retain(old)

    assert reasons(run) == {old.app.name: (), old.blog.name: ()}
    assert files(old) == []
    archive = run.get(Archived).backup.archive
    subprocess.run(["tar", "-xzf", archive.name], cwd=old.path, check=True)
    assert everything(old.path / "sessions") == before


def test_a_dry_run_removes_nothing(old):
    """The default says what would go, and writes nothing (invariant 4)."""
    before = everything(old.path)

    run = retain(old, dry_run=True)

    assert reasons(run) == {old.app.name: (), old.blog.name: ()}
    assert everything(old.path) == before
    assert run.get(Removed).files == () and run.get(Archived).backup is None


def test_it_is_recorded(old):
    """A retention stands in the database with what it removed."""
    retain(old)

    ((outcome, finished, summary),) = old.rows(
        "select outcome, finished_at, summary from migration_runs where kind = 'retention'"
    )
    assert (outcome, bool(finished)) == ("ok", True)
    assert json.loads(summary)["removed"] == [f"sessions/{name}" for name in sorted([old.app.name, old.blog.name])]


def test_rollback_brings_them_back(old):
    """Files that went are missing, so restoring JSON writes them, and nothing else."""
    before = everything(old.path / "sessions")
    retain(old)

    run = rollback.start(ait42_home=str(old.path), action="restore_json", dry_run=False)
    for step in (rollback.find_backups, rollback.choose_backup, rollback.plan_action, rollback.act):
        run.step(step)
    run.close()

    assert run.failure is None
    assert everything(old.path / "sessions") == before


# Each guard alone -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("days", "stays"), [(29.9, True), (30.1, False)])
def test_thirty_days(home, days, stays):
    """A file stays until its migration is so many days old, to the hour."""
    home.write("/home/aki/app", [session(id="s1")])
    home.migrate()
    age(home, days)

    assert bool(files(home)) and list(reasons(retain(home)).values()) == [("too_young",) if stays else ()]
    assert bool(files(home)) == stays


def test_days_is_a_parameter(home):
    """How old is a person's choice."""
    home.write("/home/aki/app", [session(id="s1")])
    home.migrate()
    age(home, 8)

    assert list(reasons(retain(home, days=9)).values()) == [("too_young",)]
    assert list(reasons(retain(home, days="7")).values()) == [()]


@pytest.mark.parametrize(
    "spoil",
    [
        "update migration_runs set finished_at = null",
        "update migration_runs set outcome = 'failed'",
        "update migration_runs set kind = 'drill'",
        "update migration_runs set summary = json_set(summary, '$.validation.is_valid', json('false'))",
        "update migration_runs set summary = 'no JSON'",
        "update migration_runs set summary = null",
        "delete from migration_runs",
    ],
)
def test_only_a_finished_and_verified_migration_counts(old, spoil):
    """A run that was cut off, failed, proved nothing or is unknown lets nothing go."""
    change(old, spoil)

    assert set(reasons(retain(old)).values()) == {("not_migrated",)}
    assert len(files(old)) == 2


@pytest.mark.parametrize("what", ["content", "mtime"])
def test_a_file_that_changed_since(old, what):
    """A file whose bytes or time are not as they were migrated stays, though all its records may be stored."""
    if what == "content":
        status = old.blog.stat()
        old.blog.write_text(old.blog.read_text().replace("[", "[ ", 1).rstrip() + "")
        os.utime(old.blog, ns=(status.st_atime_ns, status.st_mtime_ns))
    else:
        os.utime(old.blog)

    assert reasons(retain(old)) == {old.app.name: (), old.blog.name: ("changed",)}
    assert files(old) == [old.blog.name]


def test_a_file_that_was_never_migrated(old):
    """A new file stays: nobody has read it, and its records are nowhere else."""
    new = old.write("/home/aki/new", [session(id="s9")])

    assert reasons(retain(old))[new.name] == ("not_migrated", "not_stored")
    assert files(old) == [new.name]


DAMAGE = {
    "session": "update sessions set task = 'x' where id = 's1'",
    "workspace": "update sessions set workspace_path = '/elsewhere' where id = 's1'",
    "instance": "update instances set branch = 'x'",
    "message": "update chat_messages set content = 'x' where id = 'm1'",
    "message_of_no_instance": "delete from chat_messages where id = 'm1'",
    "session_deleted": "delete from sessions where id = 's1'",
    "unknown_key": "update migration_residue set document = '{}'",
    "unknown_key_gone": "delete from migration_residue",
    "shadow": "update migration_rejects set document = 'x'",
    "shadow_gone": "delete from migration_rejects",
    "file_of_the_ledger": "delete from migration_ledger where session_id = 's1'",
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_every_record_is_stored_and_equal(old, damage):
    """One value that is not stored as it stands in the file keeps that file, and only that (invariant 10)."""
    with closing(sqlite3.connect(old.database, isolation_level=None)) as connection:
        connection.execute("pragma foreign_keys = on")
        connection.execute(damage)

    assert reasons(retain(old)) == {old.app.name: ("not_stored",), old.blog.name: ()}
    assert files(old) == [old.app.name]


def test_held_records_keep_their_file(home):
    """A file with a held record stays, unless a person gives that up by naming the file."""
    file = home.write("/home/aki/app", [session(id="s1"), session(id="s2", status="unheard_of")])
    home.migrate()
    age(home, 31)

    run = retain(home)
    assert reasons(run) == {file.name: ("held",)}
    assert retention.summarize(run)["outcome"] == "held"

    run = retain(home, confirm=[f"sessions/{file.name}"])
    assert reasons(run) == {file.name: ()} and files(home) == []
    assert retention.summarize(run)["outcome"] == "ok"


def test_confirm_helps_against_held_alone(home):
    """Naming a file gives up what is held in it, and nothing else."""
    file = home.write("/home/aki/app", [session(id="s2", status="unheard_of")])
    home.migrate()

    assert reasons(retain(home, confirm=[f"sessions/{file.name}"])) == {file.name: ("too_young",)}
    assert "not there" in str(retain(home, confirm=["sessions/other.json"]).failure)


@pytest.mark.parametrize(
    "spoil",
    [
        "update migration_runs set started_at = '2999-01-01T00:00:00.000Z'",
        "update migration_runs set finished_at = '2999-01-01T00:00:00.000Z'",
        "update migration_runs set started_at = 'yesterday'",
        "update migration_runs set started_at = '2020-01-01T00:00:00'",
        "insert into migration_runs (run_id, kind, started_at, kit_version) values ('x', 'x', '2999-01-01T00:00Z', '')",
    ],
)
def test_a_clock_that_is_wrong(old, spoil):
    """A run in the future, or at no readable time, means that no time can be trusted: nothing goes."""
    change(old, spoil)

    run = retain(old)

    assert all("clock" in why for why in reasons(run).values())
    assert len(files(old)) == 2 and retention.summarize(run)["outcome"] == "held"


def test_links_stay(old, tmp_path):
    """A link is no file to remove, wherever it leads."""
    real = old.path / "real.json"
    old.blog.rename(real)
    old.blog.symlink_to(real)

    assert "unreadable" in reasons(retain(old))[old.blog.name]
    assert old.blog.is_symlink() and real.exists()


def test_files_of_a_folder_elsewhere_stay(old, tmp_path):
    """Nothing is removed through a link that leads out of the home."""
    elsewhere, sessions = tmp_path / "elsewhere", old.path / "sessions"
    sessions.rename(elsewhere)
    sessions.symlink_to(elsewhere)
    before = everything(elsewhere)

    assert all("unreadable" in why for why in reasons(retain(old)).values())
    assert everything(elsewhere) == before


def test_without_a_database(home):
    """Where no database is, or not ours, or it is not valid, the run fails and nothing goes."""
    home.write("/home/aki/app", [session(id="s1")])

    assert type(retain(home).failure).__name__ == "DatabaseRefused"
    home.migrate()
    age(home, 31)
    change(home, "insert into chat_messages values ('m', 'nobody', null, 'user', 'x', 't')")
    assert "not valid" in str(retain(home).failure)
    assert len(files(home)) == 1


# The archive and the deed ---------------------------------------------------------------------------------------------


def test_no_archive_no_removal(old, monkeypatch):
    """An archive that does not give a file back exactly stops everything."""
    real = backup.restore_to

    def restore_otherwise(kept, folder):
        real(kept, folder)
        (folder / "sessions" / old.app.name).write_text("[]")

    monkeypatch.setattr(retention, "restore_to", restore_otherwise)

    run = retain(old)

    assert "does not give back" in str(run.failure)
    assert len(files(old)) == 2


def test_what_changes_at_the_last_moment_stays(old, monkeypatch):
    """A file is looked at once more before it goes, its bytes too."""
    real = retention.archive_files

    def archive_and_write(run):
        archived = real(run)
        status = old.app.stat()
        old.app.write_bytes(old.app.read_bytes()[:-1] + b" ")
        os.utime(old.app, ns=(status.st_atime_ns, status.st_mtime_ns))
        return archived

    run = retention.start(ait42_home=str(old.path), dry_run=False)
    for step in (*STEPS[:3], archive_and_write):
        run.step(step)
    run.results[Archived] = run.get(Archived)
    run.step(retention.remove_files)
    run.close()

    assert files(old) == [old.app.name]
    assert [f.source_path for f in run.get(Removed).stayed] == [f"sessions/{old.app.name}"]
    assert retention.summarize(run)["stay"] == {"changed_meanwhile": 1}


def test_cut_off(old, monkeypatch):
    """A retention that is killed on its way stands in the database without an end."""
    monkeypatch.setattr(retention, "_still", lambda *_: os._exit(9))

    pid = os.fork()
    if not pid:
        retain(old)
        os._exit(0)
    os.waitpid(pid, 0)

    assert old.rows("select kind, finished_at from migration_runs where kind = 'retention'") == [("retention", None)]
    assert len(files(old)) == 2


def test_not_without_a_note_in_the_database(old, monkeypatch):
    """If the database cannot note the removal, nothing is removed."""
    monkeypatch.setattr(retention, "open_existing", lambda path: database.open_existing(path, timeout=0.1))
    with closing(sqlite3.connect(old.database, isolation_level=None)) as other:
        other.execute("begin immediate")
        run = retention.start(ait42_home=str(old.path), dry_run=False)
        for step in STEPS:
            run.step(step)
        other.rollback()
    run.close()

    assert type(run.failure).__name__ == "DatabaseLocked"
    assert len(files(old)) == 2


# What is shown --------------------------------------------------------------------------------------------------------


def test_every_reason_has_words():
    """Each code that a file can stay for is explained."""
    assert REASONS.keys() >= retention.TO_BE_LOOKED_AT


def test_everything_can_be_shown(old):
    """Each step's answer is something to look at, before it ran, in a dry run and after the deed."""
    answers = (
        retention.opening,
        retention.show_history,
        retention.show_comparison,
        retention.show_verdicts,
        retention.show_archive,
        retention.show_removed,
    )
    empty = retention.start(ait42_home=str(old.path))
    empty.close()
    for run in (empty, retain(old, dry_run=True), retain(old), retain(old)):
        assert all(isinstance(answer(run), Shown) and answer(run).text() and answer(run).html() for answer in answers)
    assert retain(old).get(Compared).unstored == {}


def test_notebook(old, tmp_path):
    """The notebook shows first, and removes when told; its summary says what."""
    path = tmp_path / "summary.json"

    shown = old.execute(NOTEBOOK, tmp_path / "dry.ipynb")
    done = old.execute(NOTEBOOK, tmp_path / "out.ipynb", dry_run="false", summary_path=str(path))

    assert (shown["outcome"], shown["files"]) == ("ok", {"found": 2, "may_go": 2, "removed": 0})
    assert (done["outcome"], done["files"]) == ("ok", {"found": 2, "may_go": 2, "removed": 2})
    assert json.loads(path.read_text()) == done
    assert files(old) == []


def test_notebook_fails_in_its_last_cell(home, tmp_path):
    """A failure is shown where it happened, and only the last cell raises."""
    home.write("/home/aki/app", [session(id="s1")])
    out = tmp_path / "out.ipynb"
    with pytest.raises(papermill.PapermillExecutionError, match="there is none"):
        home.execute(NOTEBOOK, out)

    cells = [cell for cell in json.loads(out.read_text())["cells"] if cell["cell_type"] == "code"]
    raised = [n for n, cell in enumerate(cells) if any(o["output_type"] == "error" for o in cell["outputs"])]
    assert raised == [len(cells) - 1]
    assert read_summary(out)["outcome"] == "failed"
