"""What is damaged: a database's pages and its log, the staging file, an archive; and what former runs left lying."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
from multiprocessing.connection import Connection
from pathlib import Path

import pytest
from conftest import Home
from support import (
    FULL,
    content,
    fault,
    fill,
    migrate_again,
    migrate_with,
    records,
    require,
    require_complete,
    require_sentence,
    require_tidy,
    start,
    survived,
)

from ait42nb import backup, rollback
from ait42nb.errors import BackupRefused, DatabaseRefused, VerificationFailed
from ait42nb.home import WORK_PREFIX
from ait42nb.stage import Staged

pytest_plugins = ["support"]

GARBAGE = bytes(range(1, 256, 5))


def spoil(path: Path, at: int) -> None:
    """As a failing disk does: bytes in the middle of a file."""
    with path.open("r+b") as file:
        file.seek(at)
        file.write(GARBAGE)


# A database's pages


@pytest.fixture
def backed_up(home: Home) -> Home:
    """A home with a backup of its database, and files that have changed since."""
    fill(home, "merge")
    assert home.run(backup=True).failure is None
    assert home.run(backup=True).failure is None
    home.write("/src/app", [*records("/src/app", 4, messages=7), *records("new", 3)])
    return home


def test_pages(backed_up: Home):
    """A run refuses a damaged database and leaves it; rollback keeps it aside and brings the backup's back.

    Where the damage lies in a text, an index or unused space, SQLite's quick check sees nothing.
    """
    home, size = backed_up, backed_up.database.stat().st_size
    (page_size,) = home.rows("pragma page_size")[0]
    whole = home.database.read_bytes()
    pages = range(0, size, page_size * (1 if FULL else size // page_size // 10 or 1))
    refused = 0
    for page in pages:
        with fault("damage"):
            spoil(home.database, page + (100 if page == 0 else 0))
            damaged = home.database.read_bytes()
            run = home.run(reread=True)
            if run.failure:
                refused += 1
                require_sentence(run.failure, DatabaseRefused, "rollback.ipynb")
                assert home.database.read_bytes() == damaged
                require_tidy(home.path)
                assert go_back(home).failure is None
                migrate_again(home)
        for path in [*home.path.glob("sessions.db-*"), *home.path.glob("sessions_before_rollback_*")]:
            path.unlink()
        home.database.write_bytes(whole)
    assert refused > len(pages) / 2


def go_back(home: Home, **more: object):
    run = rollback.start(ait42_home=str(home.path), action="restore_database", dry_run=False, redact=False, **more)
    try:
        for step in (rollback.find_backups, rollback.choose_backup, rollback.plan_action, rollback.act):
            run.step(step)
    finally:
        run.close()
    return run


# Its log


def write_and_die(pipe: Connection, database: str, statement: str) -> None:
    """The editor, killed with its work in the log."""
    connection = sqlite3.connect(database, isolation_level=None)
    connection.execute("pragma wal_autocheckpoint = 0")
    for number in range(40):
        connection.execute(statement, {"n": number})
    pipe.send("ready")
    os.kill(os.getpid(), signal.SIGKILL)


MESSAGE = "insert into chat_messages values ('live-' || $n, '/src/app-0', null, 'user', $n, 'now')"


def killed_editor(home: Home, statement: str = MESSAGE) -> None:
    process, pipe = start(write_and_die, str(home.database), statement)
    require(pipe, "ready")
    process.join()


@pytest.mark.parametrize("share", [0, 0.001, 0.3, 0.5, 0.9, 1])
@pytest.mark.parametrize("index", ["with", "without"])
def test_a_truncated_log(home: Home, share: float, index: str):
    """SQLite takes what is whole of it; to that the run adds everything that the files have."""
    fill(home, "merge")
    killed_editor(home)
    log = Path(f"{home.database}-wal")
    os.truncate(log, int(log.stat().st_size * share))
    if index == "without":
        Path(f"{home.database}-shm").unlink()
    with fault("damage"):
        live = [row for row in content(home.database)["chat_messages"] if str(row[0]).startswith("live-")]
        assert len(live) == 40 if share == 1 else len(live) < 40
        run = home.run()
        assert run.failure is None, run.failure
        require_tidy(home.path)
        assert [row for row in content(home.database)["chat_messages"] if str(row[0]).startswith("live-")] == live
        home.rows("select 1")
        remove_live(home)
        require_complete(home.path)


def remove_live(home: Home) -> None:
    """What the oracle does not know of."""
    with sqlite3.connect(home.database) as connection:
        connection.execute("delete from chat_messages where id glob 'live-*'")
    connection.close()


# The staging file


@pytest.mark.parametrize("scene", ["first", "merge"])
@pytest.mark.parametrize("stage", ["verify_database", "rehearse_merge", "publish_database"])
@pytest.mark.parametrize("how", ["spoilt", "cut", "emptied", "changed"])
def test_the_staging_file(home: Home, scene: str, stage: str, how: str):
    """Verification finds it; what happens to it afterwards is found before it is published."""
    fill(home, scene)

    def damage(run) -> None:
        staged = run.get(Staged).path
        size = staged.stat().st_size
        if how == "spoilt":
            for at in range(16_384, size, 16_384):
                spoil(staged, at)
        elif how == "changed":
            with sqlite3.connect(staged) as connection:
                connection.execute("update chat_messages set content = content || '.' where rowid = 3")
            connection.close()
        else:
            os.truncate(staged, size // 2 if how == "cut" else 0)

    with survived("damage", home):
        run = migrate_with(home.path, {stage: damage})
        assert run.failure, "it was published"
        require_sentence(run.failure, type(run.failure))
        if stage != "verify_database":
            assert isinstance(run.failure, VerificationFailed)


# A backup


@pytest.mark.parametrize("how", ["spoilt", "cut", "emptied", "gone"])
def test_an_archive_while_it_is_made(home: Home, how: str, monkeypatch: pytest.MonkeyPatch):
    """It is read back before the run goes on: without a backup that is whole, nothing is published."""
    fill(home, "merge")
    write = backup.write_archive

    def written(path: Path, *rest: object) -> None:
        write(path, *rest)
        harm(path, how)

    with survived("damage", home):
        monkeypatch.setattr(backup, "write_archive", written)
        run = home.run(backup=True)
        assert run.failure
        require_sentence(run.failure, type(run.failure))
        assert not list(home.path.glob("sessions_backup_*"))
        monkeypatch.undo()


def harm(path: Path, how: str) -> None:
    size = path.stat().st_size
    if how == "spoilt":
        spoil(path, size // 2)
    elif how == "gone":
        path.unlink()
    else:
        os.truncate(path, size // 2 if how == "cut" else 0)


@pytest.mark.parametrize("part", ["tar.gz", "db"])
@pytest.mark.parametrize("how", ["spoilt", "cut", "emptied"])
def test_an_archive_that_lies_there(backed_up: Home, part: str, how: str):
    """The next run makes another; rollback passes it over, and refuses it by its name with everything left as it is."""
    home = backed_up
    newest = max(home.path.glob(f"sessions_backup_*.{part}"))
    id_ = newest.name.removeprefix("sessions_backup_").removesuffix(f".{part}")
    with fault("damage"):
        harm(newest, how)
        before = content(home.database)
        if part == "db":
            require_sentence(go_back(home, backup_id=id_).failure, BackupRefused)
            assert content(home.database) == before
        kept = set(home.path.glob("sessions_backup_*"))
        run = home.run(backup=True)
        assert run.failure is None, run.failure
        assert len(set(home.path.glob("sessions_backup_*")) - kept) == 2
        assert go_back(home).failure is None
        assert content(home.database) == before


# Leftovers


@pytest.mark.parametrize("suffixes", [["-wal"], ["-shm"], ["-wal", "-shm"], ["-journal"]])
def test_of_a_database_that_is_gone(home: Home, suffixes: list[str]):
    """SQLite would replay them into the new database: they are refused and left alone, and can be moved away."""
    fill(home, "merge")
    killed_editor(home)
    if suffixes == ["-journal"]:
        Path(f"{home.database}-wal").rename(f"{home.database}-journal")
    home.database.unlink()
    for side in home.path.glob("sessions.db-*"):
        if side.name.removeprefix("sessions.db") not in suffixes:
            side.unlink()
    lying = {path.name: path.read_bytes() for path in home.path.glob("sessions.db-*")}
    assert len(lying) == len(suffixes)
    with fault("leftovers"):
        run = home.run()
        require_sentence(run.failure, DatabaseRefused, "of a former database lies where the new one goes")
        assert {path.name: path.read_bytes() for path in home.path.glob("sessions.db*")} == lying
        for name in lying:
            shutil.move(home.path / name, home.path.parent)
        migrate_again(home)
        require_tidy(home.path)


@pytest.mark.parametrize("scene", ["first", "merge"])
def test_of_runs_that_were_killed(home: Home, scene: str):
    """Work folders with anything in them are recognised, told and cleared; what only looks like one stays."""
    fill(home, scene)
    for number in range(3):
        folder = home.path / f"{WORK_PREFIX}20251101T09000{number}Z-abcdef"
        (folder / "files").mkdir(parents=True)
        (folder / "staging.db").write_bytes(GARBAGE * 100)
        (folder / "staging.db-wal").write_bytes(GARBAGE * 100)
        (folder / "files" / "000000.json").symlink_to(min(home.path.glob("sessions/*")))
        (folder / "files").chmod(0o500)
    with survived("leftovers", home):
        run = home.run()
        assert run.failure is None
        assert len(run.home.cleared) == 3
