"""Going back: exactly what was shown, under nobody's hands, and undoable itself."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import conftest
import papermill
import pytest

from ait42nb import database, pipeline, rollback
from ait42nb.backup import list_backups
from ait42nb.home import Home
from ait42nb.rollback import Chosen, Done, Found, Planned
from ait42nb.samples import message, session
from ait42nb.summary import read_summary

STEPS = (rollback.find_backups, rollback.choose_backup, rollback.plan_action, rollback.act)
NOTEBOOK = Path(__file__).parent.parent / "notebooks" / "rollback.ipynb"


def roll_back(home, action: str, **parameters):
    """The whole notebook without a notebook: a run as it comes, failed or not."""
    run = rollback.start(ait42_home=str(home.path), action=action, **{"dry_run": False, **parameters})
    try:
        for step in STEPS:
            run.step(step)
    finally:
        run.close()
    return run


def done(home, action: str, **parameters) -> Done:
    run = roll_back(home, action, **parameters)
    if run.failure:
        raise run.failure
    return run.get(Done)


def everything(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def ids(home) -> list[str]:
    return [id_ for (id_,) in home.rows("select id from sessions order by id")]


def aside(home) -> Path:
    (path,) = home.path.glob("sessions_before_rollback_*.db")
    return path


def add_to_database(home, id_: str, task: str = "only here") -> None:
    """As the editor does in the dual-write period."""
    with closing(database.connect(home.database)) as connection:
        connection.execute(
            "insert into sessions (id, workspace_path, type, task, status, created_at, updated_at)"
            " values (?, '/home/aki/app', 'debate', ?, 'paused', 't', 't')",
            (id_, task),
        )


@pytest.fixture(scope="module")
def template(tmp_path_factory) -> Path:
    """A home that was migrated, backed up with its database, and then went on."""
    home = conftest.Home(tmp_path_factory.mktemp("template") / "home")
    home.write("/home/aki/app", [session(id="s1", task="一", chatHistory=[message(id="m1"), message(id="m2")])])
    home.write("/home/aki/blog", [session(id="s2", task="二")])
    home.migrate()
    run = pipeline.start(ait42_home=str(home.path), dry_run=False)
    run.step(pipeline.take_inventory)
    run.step(pipeline.back_up)
    run.close()
    add_to_database(home, "s3")
    return home.path


@pytest.fixture
def migrated(home, template: Path):
    shutil.copytree(template, home.path, dirs_exist_ok=True)
    return home


@contextmanager
def somebody(path: Path, script: str = "c.execute('select count(*) from sessions')") -> Iterator[int]:
    """Another process that has the database open."""
    program = f"import sqlite3, sys; c = sqlite3.connect(sys.argv[1]); {script}; print('open', flush=True); input()"
    other = subprocess.Popen(
        [sys.executable, "-c", program, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        other.stdout.readline()
        yield other.pid
    finally:
        other.stdin.write("\n")
        other.stdin.close()
        other.wait()
        other.stdout.close()


# Which backup ---------------------------------------------------------------------------------------------------------


def test_without_an_action_it_lists(migrated):
    """The default shows the backups, and changes nothing."""
    before = everything(migrated.path)

    run = roll_back(migrated, "", dry_run=True)

    assert [b.id for b in run.get(Found).backups] == [b.id for b in list_backups(Home(migrated.path))]
    assert run.get(Done).notes == ("No action was chosen.",)
    assert everything(migrated.path) == before


def test_latest_is_the_newest_that_is_whole(migrated):
    """A damaged backup is passed over and named, and what a rollback kept aside is never the latest."""
    (good,) = list_backups(Home(migrated.path))
    (migrated.path / "sessions_backup_20990101T000000Z.tar.gz").write_bytes(good.archive.read_bytes()[:-9])
    shutil.copy(good.database, migrated.path / "sessions_backup_20990101T000000Z.db")
    shutil.copy(good.database, migrated.path / "sessions_before_rollback_20990102T000000Z.db")

    for action in ("restore_database", "restore_json", "drill"):
        chosen = roll_back(migrated, action, dry_run=True).get(Chosen)
        assert (chosen.backup.id, [b.id for b in chosen.damaged]) == (good.id, ["20990101T000000Z"])


@pytest.mark.parametrize("action", ["restore_database", "restore_json", "drill"])
def test_no_such_backup(migrated, action):
    """An id that does not exist is refused with those that do."""
    run = roll_back(migrated, action, backup_id="20200101T000000Z")

    assert "there is no such backup" in str(run.failure)
    assert list_backups(Home(migrated.path))[0].id in run.failure.remedy


def test_a_damaged_one_is_refused_by_its_id(migrated):
    """Asked for by its id, a damaged backup is not silently exchanged for another."""
    (good,) = list_backups(Home(migrated.path))
    good.archive.write_bytes(good.archive.read_bytes()[:-9])

    assert "it is damaged" in str(roll_back(migrated, "restore_json", backup_id=good.id).failure)


# The database ---------------------------------------------------------------------------------------------------------


def test_restore_database(migrated):
    """The database becomes that of the backup; what it was is kept aside, and restoring that undoes it."""
    assert ids(migrated) == ["s1", "s2", "s3"]

    done(migrated, "restore_database")

    assert ids(migrated) == ["s1", "s2"]
    assert migrated.rows("pragma journal_mode") == [("wal",)]
    assert migrated.rows("pragma integrity_check") == [("ok",)]
    kept = aside(migrated)
    assert os.stat(kept).st_mode & 0o777 == 0o600
    assert database.side_files(kept) == []

    done(migrated, "restore_database", backup_id=kept.name[25:-3])

    assert ids(migrated) == ["s1", "s2", "s3"]


def test_it_is_shown_first(migrated):
    """The plan counts what is the same, what differs, and what going back would lose."""
    with closing(database.connect(migrated.database)) as connection:
        connection.execute("update chat_messages set content = 'edited' where id = 'm1'")
        connection.execute("delete from sessions where id = 's2'")
    before = everything(migrated.path)

    planned = roll_back(migrated, "restore_database", dry_run=True).get(Planned)

    assert {d.kind: d[1:] for d in planned.differences} == {
        "session": (2, 2, 1, 0, 1, 1),
        "instance": (0, 0, 0, 0, 0, 0),
        "message": (2, 2, 1, 1, 0, 0),
    }
    assert [change.name for change in planned.changes] == ["sessions.db", "sessions_before_rollback_….db"]
    assert everything(migrated.path) == before, "a dry run writes nothing (invariant 4)"


def test_it_is_recorded(migrated):
    """A rollback stands in the database that remains, as a finished run."""
    run = roll_back(migrated, "restore_database")

    ((kind, outcome, finished, summary),) = migrated.rows(
        "select kind, outcome, finished_at, summary from migration_runs where run_id = ?", run.run_id
    )
    assert (kind, outcome, bool(finished)) == ("rollback", "ok", True)
    assert json.loads(summary)["action"] == "restore_database"


def test_what_the_log_holds_is_kept_aside_too(migrated):
    """A database that a kill left with its log is kept whole, and the log does not come over the restored one."""
    shutil.copy(migrated.database, migrated.path / "copy")
    with closing(sqlite3.connect(migrated.path / "copy", isolation_level=None)) as connection:
        connection.execute("pragma wal_autocheckpoint = 0")
        connection.execute("update sessions set task = 'in the log'")
        for suffix in ("", "-wal"):
            shutil.copy(f"{migrated.path}/copy{suffix}", f"{migrated.database}{suffix}")

    done(migrated, "restore_database")

    assert migrated.rows("select count(*) from sessions where task = 'in the log'") == [(0,)]
    with closing(sqlite3.connect(aside(migrated))) as kept:
        assert kept.execute("select count(*) from sessions where task = 'in the log'").fetchone() == (3,)


@pytest.mark.parametrize("action", ["restore_database", "remove_database"])
@pytest.mark.parametrize("script", ["c.execute('select count(*) from sessions')", "c.execute('begin immediate')"])
def test_not_while_somebody_has_it_open(migrated, action, script):
    """Whoever is connected, idle or writing, is named, and nothing changes."""
    files = set(everything(migrated.path))
    with somebody(migrated.database, script) as pid:
        run = roll_back(migrated, action)
        assert type(run.failure).__name__ == "DatabaseLocked"
        assert f"process {pid}, python" in str(run.failure)

    assert set(everything(migrated.path)) == files
    assert ids(migrated) == ["s1", "s2", "s3"]


@pytest.mark.parametrize("action", ["restore_database", "remove_database"])
def test_nor_where_nobody_can_be_named(migrated, action, monkeypatch):
    """Where the system does not tell who has it open, SQLite's own lock still does."""
    monkeypatch.setattr(rollback, "holders", lambda _: [])
    with somebody(migrated.database):
        run = roll_back(migrated, action)

    assert type(run.failure).__name__ == "DatabaseLocked"
    assert ids(migrated) == ["s1", "s2", "s3"]


def test_nobody_comes_in_while_it_is_done(migrated):
    """From the look to the end the database is held: another process can neither read nor write."""
    program = "import sqlite3, sys; sqlite3.connect(sys.argv[1], timeout=0).execute('select * from sessions')"
    with rollback.alone(migrated.database):
        other = subprocess.run([sys.executable, "-c", program, migrated.database], capture_output=True, text=True)

    assert "database is locked" in other.stderr
    assert ids(migrated) == ["s1", "s2", "s3"]


@pytest.mark.parametrize("content", [b"no database at all", None], ids=["no_database", "a_page_is_gone"])
def test_a_damaged_database_can_be_restored(migrated, content):
    """What SQLite cannot read is moved aside as the file that it is, and the backup takes its place."""
    if content is None:
        whole = migrated.database.read_bytes()
        content = whole[:4096] + bytes(len(whole) - 4096)
    migrated.database.write_bytes(content)

    done(migrated, "restore_database")

    assert ids(migrated) == ["s1", "s2"]
    assert aside(migrated).read_bytes() == content


def test_nothing_of_a_former_database_comes_over(migrated):
    """Where the database is gone but its log is not, the log is moved away before the backup takes its place."""
    with somebody(migrated.database, "c.execute('pragma wal_autocheckpoint = 0'); c.execute('begin immediate'); "
                  "c.execute('update sessions set task = ?', ('of the former',)); c.commit()"):  # fmt: skip
        log = Path(f"{migrated.database}-wal").read_bytes()
    migrated.database.unlink()
    Path(f"{migrated.database}-wal").write_bytes(log)

    done(migrated, "restore_database")

    assert migrated.rows("select count(*) from sessions where task = 'of the former'") == [(0,)]
    assert len(list(migrated.path.glob("sessions_before_rollback_*.db-wal"))) == 1


def test_remove_database(migrated):
    """The database goes with its side files, and stands whole under its other name."""
    done(migrated, "remove_database")

    assert not migrated.database.exists() and database.side_files(migrated.database) == []
    with closing(sqlite3.connect(aside(migrated))) as kept:
        assert kept.execute("select count(*) from sessions").fetchone() == (3,)
    assert "remove" in str(roll_back(migrated, "remove_database").failure)

    done(migrated, "restore_database", backup_id=aside(migrated).name[25:-3])
    assert ids(migrated) == ["s1", "s2", "s3"]


def test_removal_says_what_only_the_database_has(migrated):
    """Before the database goes, the plan says how many sessions stand nowhere else."""
    planned = roll_back(migrated, "remove_database", dry_run=True).get(Planned)

    assert planned.notes[0].startswith("1 of its 3 sessions stand in no session file")
    assert migrated.database.exists()


def test_a_link_is_not_removed(migrated, tmp_path):
    """A database that is a link is no file to rename: it is refused."""
    elsewhere = tmp_path / "elsewhere.db"
    migrated.database.rename(elsewhere)
    migrated.database.symlink_to(elsewhere)

    assert "is a link" in str(roll_back(migrated, "remove_database").failure)
    assert migrated.database.is_symlink() and elsewhere.exists()


# The files ------------------------------------------------------------------------------------------------------------


def test_restore_json(migrated):
    """Only files that are missing or differ are written; others stay, and what was replaced is in an archive."""
    app, blog = sorted((migrated.path / "sessions").iterdir())
    before = everything(migrated.path / "sessions")
    app.write_text("[]")
    blog.unlink()
    migrated.put("other.json", "[]")
    kept = app.stat().st_ino

    changes = roll_back(migrated, "restore_json", dry_run=True).get(Planned).changes
    assert changes == ((f"sessions/{app.name}", "differs: replaced"), (f"sessions/{blog.name}", "missing: written"))
    assert app.stat().st_ino == kept and not blog.exists()

    done(migrated, "restore_json")

    assert everything(migrated.path / "sessions") == before | {"other.json": b"[]"}
    newest = list_backups(Home(migrated.path))[0]
    assert newest.aside
    assert done(migrated, "restore_json").notes == ("Nothing had to be restored.",)

    done(migrated, "restore_json", backup_id=newest.id)
    assert app.read_text() == "[]", "a rollback can be undone itself"


def test_same_files_are_not_touched(migrated):
    """A file that is as in the backup is not written again."""
    app, blog = sorted((migrated.path / "sessions").iterdir())
    facts = app.stat()
    blog.write_text("[]")

    done(migrated, "restore_json")

    assert (app.stat().st_ino, app.stat().st_mtime_ns) == (facts.st_ino, facts.st_mtime_ns)


def test_links_are_replaced_and_not_followed(migrated, tmp_path):
    """A link where a file was leads nowhere: the file takes its place, and what it led to stays."""
    victim = tmp_path / "victim"
    victim.write_text("mine")
    app, _ = sorted((migrated.path / "sessions").iterdir())
    app.unlink()
    app.symlink_to(victim)

    run = roll_back(migrated, "restore_json")
    assert "cannot be kept aside" in str(run.failure)
    app.unlink()
    other = migrated.path / "inside"
    other.write_text("[]")
    app.symlink_to(other)
    done(migrated, "restore_json")

    assert (victim.read_text(), other.read_text(), app.is_symlink()) == ("mine", "[]", False)


def test_a_folder_that_leads_out_of_the_home(migrated, tmp_path):
    """If `sessions` itself is a link out of the home, nothing is written through it."""
    elsewhere = tmp_path / "elsewhere"
    shutil.move(migrated.path / "sessions", elsewhere)
    (migrated.path / "sessions").symlink_to(elsewhere)
    next(elsewhere.iterdir()).unlink()
    before = everything(elsewhere)

    assert "leads out of the home" in str(roll_back(migrated, "restore_json").failure)
    assert everything(elsewhere) == before


def test_a_file_that_changes_meanwhile(migrated, monkeypatch):
    """What the editor writes between the look and the deed is not written over."""
    app, _ = sorted((migrated.path / "sessions").iterdir())
    app.write_text("[]")
    run = rollback.start(ait42_home=str(migrated.path), action="restore_json", dry_run=False)
    for step in STEPS[:-1]:
        run.step(step)
    app.write_text("[ ]")

    run.step(rollback.act)
    run.close()

    assert "has changed meanwhile" in str(run.failure)
    assert app.read_text() == "[ ]"


def test_from_nothing_but_the_backups(migrated):
    """A home in which only the backups are left comes back: database and files."""
    before = everything(migrated.path / "sessions")
    shutil.rmtree(migrated.path / "sessions")
    migrated.database.unlink()

    done(migrated, "restore_json")
    done(migrated, "restore_database")

    assert everything(migrated.path / "sessions") == before
    assert ids(migrated) == ["s1", "s2"]


# Export and drill -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dry_run", [True, False])
def test_export_json(migrated, tmp_path, dry_run):
    """The database is exported to a folder elsewhere, dry run or not, and the home stays as it was."""
    before = everything(migrated.path)

    exported = done(migrated, "export_json", output_dir=str(tmp_path / "out"), dry_run=dry_run).exported

    written = [json.loads(text) for text in everything(tmp_path / "out").values()]
    assert sorted(s["id"] for sessions in written for s in sessions) == ["s1", "s2", "s3"]
    assert exported.only_in_database == 1
    assert everything(migrated.path) == before


def test_export_json_needs_a_folder(migrated):
    """Without a folder there is no export, and none into the home in a dry run."""
    inside = str(migrated.path / "out")

    assert "output_dir" in str(roll_back(migrated, "export_json").failure)
    assert "lies in the home" in str(roll_back(migrated, "export_json", output_dir=inside, dry_run=True).failure)
    assert not (migrated.path / "out").exists()


@pytest.mark.parametrize("dry_run", [True, False])
def test_drill(home, dry_run):
    """The newest backup is restored and migrated elsewhere, gives what the database has, and leaves nothing."""
    home.write("/home/aki/app", [session(id="s1", chatHistory=[message(id="m1")]), session(id="s1", task="shadow")])
    home.migrate(backup=True)
    before = everything(home.path)
    temporary = set(Path("/tmp").glob("ait42nb-*"))

    run = roll_back(home, "drill", dry_run=dry_run)

    assert run.failure is None
    assert run.get(Done).alike and [d.same for d in run.get(Done).differences] == [1, 0, 1]
    after = everything(home.path)
    assert (after == before) if dry_run else (set(after) == set(before))
    assert set(Path("/tmp").glob("ait42nb-*")) <= temporary
    recorded = home.rows("select outcome from migration_runs where kind = 'drill'")
    assert recorded == ([] if dry_run else [("ok",)])


def test_a_drill_finds_what_differs(migrated):
    """A database that went on since shows up as different, for a person to look at."""
    run = roll_back(migrated, "drill", dry_run=True)

    assert not run.get(Done).alike
    assert rollback.summarize(run)["outcome"] == "held"
    assert {d.kind: (d.only_here, d.only_there) for d in run.get(Done).differences}["session"] == (1, 0)


def test_a_drill_after_hashes_were_accepted(home):
    """A workspace that a person took though its hash does not match is taken in the drill too."""
    home.put("0123456789abcdef.json", [session(id="s1")])
    home.run(workspace_mapping={"0123456789abcdef": "/home/aki/moved"}, accept_hash_mismatch=True, backup=True)

    assert [d.same for d in done(home, "drill").differences] == [1, 0, 0]


# The notebook ---------------------------------------------------------------------------------------------------------


def test_notebook(migrated, tmp_path):
    """The notebook lists, shows, restores, and carries its summary; `summary_path` gets the same."""
    path = tmp_path / "summary.json"

    listed = migrated.execute(NOTEBOOK, tmp_path / "list.ipynb")
    summary = migrated.execute(
        NOTEBOOK, tmp_path / "out.ipynb", action="restore_database", dry_run="false", summary_path=str(path)
    )

    assert (listed["outcome"], listed["action"], listed["errors"]) == ("ok", "", [])
    assert (summary["outcome"], summary["dry_run"], summary["action"]) == ("ok", False, "restore_database")
    assert json.loads(path.read_text()) == summary
    assert ids(migrated) == ["s1", "s2"]
    assert str(migrated.path) not in "".join(
        line for cell in json.loads((tmp_path / "out.ipynb").read_text())["cells"] for output in cell.get("outputs", ())
        for data in (output["data"].values() if "data" in output else [str(output)]) for line in str(data).splitlines()
    )  # fmt: skip


def test_notebook_fails_in_its_last_cell(migrated, tmp_path):
    """A failure is shown where it happened, later steps say that they were skipped, and only the last cell raises."""
    out = tmp_path / "out.ipynb"
    with pytest.raises(papermill.PapermillExecutionError, match="no such backup"):
        migrated.execute(NOTEBOOK, out, action="restore_json", backup_id="20200101T000000Z", dry_run=False)

    cells = [cell for cell in json.loads(out.read_text())["cells"] if cell["cell_type"] == "code"]
    raised = [n for n, cell in enumerate(cells) if any(o["output_type"] == "error" for o in cell["outputs"])]
    assert raised == [len(cells) - 1]
    assert read_summary(out)["outcome"] == "failed" and read_summary(out)["errors"] == ["BackupRefused"]
    assert "Skipped" in str([cell["outputs"] for cell in cells])


def test_the_first_cell_twice(migrated):
    """Whoever begins again in one kernel is in nobody's way, not even their own."""
    cells: dict[str, object] = {"ait42_home": str(migrated.path)}
    for _ in range(2):
        cells["run"] = rollback.start(cells)
        assert cells["run"].failure is None
    cells["run"].close()


def test_a_wrong_parameter_is_named(migrated):
    """A parameter that cannot be understood fails the run, and the summary still says so."""
    run = roll_back(migrated, "restore_everything")

    assert "parameter action" in str(run.failure)
    assert rollback.summarize(run)["outcome"] == "failed"
