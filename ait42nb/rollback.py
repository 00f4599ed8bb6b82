"""The way back, walked: what a backup holds is put in its place, and what was there is kept aside first."""

from __future__ import annotations

import atexit
import json
import os
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import duckdb
from IPython.display import display

from ait42nb import __version__, backup, redact, report
from ait42nb import engine as duck
from ait42nb.backup import Backup, check_backup, list_backups, move_into, restore_to, sync_file
from ait42nb.database import (
    driver_errors,
    holders,
    inspect_database,
    open_existing,
    open_readonly,
    side_files,
)
from ait42nb.display import Badge, Code, Notice, Shown, Stack, Table, size
from ait42nb.errors import (
    Ait42Error,
    BackupRefused,
    DatabaseLocked,
    DatabaseRefused,
    HomeError,
    SettingsError,
    SourceError,
    VerificationFailed,
)
from ait42nb.export import Exported, export_json
from ait42nb.home import Home, give_to_owner, rename_without_overwriting, require_space, sync_folder
from ait42nb.inventory import File, Inventory, shown_name, take_inventory
from ait42nb.mapping import read_mapping
from ait42nb.pipeline import Run, close_former, migrate
from ait42nb.settings import RollbackSettings, read_settings
from ait42nb.summary import shown_home, write_summary

KINDS = ("session", "instance", "message")

# What each action needs of a backup; the others need none.
NEEDS = {"restore_database": "database", "restore_json": "archive", "drill": "archive"}


class Difference(NamedTuple):
    """How two databases differ in one kind of rows: `only_here` is what going over to the other would lose."""

    kind: str
    here: int
    there: int
    same: int
    differ: int
    only_here: int
    only_there: int


class Change(NamedTuple):
    """A file and what happens to it."""

    name: str
    what: str


@dataclass(frozen=True)
class Found:
    """The backups of the home, newest first."""

    backups: tuple[Backup, ...]


@dataclass(frozen=True)
class Chosen:
    """The backup that is used, read to its end, and the newer ones that were passed over because they are damaged."""

    backup: Backup | None
    damaged: tuple[Backup, ...] = ()


@dataclass(frozen=True)
class Planned:
    """Exactly what would change. `differences` compares the database with the backup's, where both can be read."""

    changes: tuple[Change, ...] = ()
    differences: tuple[Difference, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Done:
    """What was done, in words; `written` tells whether the home was changed."""

    written: bool
    notes: tuple[str, ...] = ()
    differences: tuple[Difference, ...] = ()
    exported: Exported | None = None

    @property
    def alike(self) -> bool:
        return all(row.same == row.here == row.there for row in self.differences)


def start(parameters: Mapping[str, object] | None = None, kind: type = RollbackSettings, **more: object) -> Run:
    """Open a run from a notebook's `globals()`, with the parameters that `kind` names; see `pipeline.start`."""
    close_former(parameters)
    try:
        settings = read_settings({**(parameters or {}), **more}, kind)
    except Ait42Error as error:
        return Run(kind(), Home(kind().home), failure=error)
    run = Run(settings, Home(settings.home))
    atexit.register(run.close)
    run.step(_open)
    return run


def _open(run: Run) -> None:
    # A home from which all but its backups was removed can be restored.
    if not (run.home.path.is_dir() and list_backups(run.home)):
        run.home.require(writable=not run.settings.dry_run)
    run.resources.enter_context(run.home.locked())
    run.work = run.resources.enter_context(run.home.work_folder(run.run_id, dry_run=run.settings.dry_run))
    run.engine = duck.connect(run.work)
    run.resources.callback(run.engine.close)


def find_backups(run: Run) -> Found:
    """List what the home can go back to."""
    return Found(tuple(list_backups(run.home)))


def choose_backup(run: Run) -> Chosen:
    """Find the backup that is meant, and read all of it.

    Raises: BackupRefused, when there is none of that id, or none that is whole
    Rule:   the latest is the newest that is whole; what an earlier rollback kept aside must be named
    """
    action, wanted = run.settings.action, run.settings.backup_id
    part = NEEDS.get(action)
    if not part:
        return Chosen(None)
    able = [b for b in run.get(Found).backups if getattr(b, part)]
    candidates = [b for b in able if b.id == wanted or (wanted == "latest" and not b.aside)]
    if not candidates:
        ids = ", ".join(b.id for b in able)
        raise BackupRefused(
            f"backup_id = {wanted!r}",
            f"there is no such backup for {action}",
            f"Choose one of {ids}" if ids else "There is none in this home",
        )
    damaged = []
    for candidate in candidates:
        checked = check_backup(replace(candidate, database=None) if action == "restore_json" else candidate)
        if checked.state == "checked":
            return Chosen(checked, tuple(damaged))
        damaged.append(checked)
    raise BackupRefused(damaged[0].id, f"it is damaged: {damaged[0].problem}", "Choose another backup_id")


# What would change


def plan_action(run: Run) -> Planned:
    """Find out exactly what the action would change. Changes nothing."""
    plans = {
        "restore_database": _plan_database,
        "restore_json": _plan_json,
        "remove_database": _plan_removal,
        "export_json": _plan_export,
        "drill": _plan_drill,
    }
    plan = plans.get(run.settings.action)
    return plan(run) if plan else Planned(notes=("No action was chosen: this lists the backups only.",))


def _plan_database(run: Run) -> Planned:
    there = run.work / "there.db"
    backup.snapshot(run.get(Chosen).backup.database, there, untouched=True)
    changes = [Change("sessions.db", "becomes that of the backup"), *_kept_aside(run)]
    here, note = _look(run)
    if here is None:
        return Planned(tuple(changes), notes=(note,))
    return Planned(tuple(changes), compare(run.engine, here, there))


def _plan_removal(run: Run) -> Planned:
    if inspect_database(run.home.database).kind == "none":
        raise DatabaseRefused(run.home.database, "there is none to remove", "Nothing has to be done")
    changes = [Change(path.name, "removed") for path in (run.home.database, *side_files(run.home.database))]
    here, note = _look(run)
    notes = [note] if note else []
    if here is not None:
        notes.append(_only_in_database(here, run.home))
    return Planned((*changes, *_kept_aside(run)), notes=tuple(notes))


def _kept_aside(run: Run) -> list[Change]:
    exists = inspect_database(run.home.database).kind != "none"
    return [Change("sessions_before_rollback_….db", "made: the database as it is now")] if exists else []


def _look(run: Run) -> tuple[Path | None, str]:
    """A private copy of the database as it is now, or why there is none."""
    state = inspect_database(run.home.database)
    if state.kind in ("none", "empty"):
        return None, "There is no database now." if state.kind == "none" else "The database of now is empty."
    here = run.work / "here.db"
    try:
        backup.snapshot(run.home.database, here, untouched=True)
    except DatabaseRefused:
        here.unlink(missing_ok=True)
        return None, "The database of now is damaged: it is kept aside as it is, and cannot be compared."
    return here, ""


def _only_in_database(here: Path, home: Home) -> str:
    """How much the session files do not have."""
    try:
        with closing(open_readonly(here)) as connection:
            known = connection.execute(duck.sql("rollback/ledger")).fetchall()
            (sessions,) = connection.execute("select count(*) from sessions").fetchone()
    except sqlite3.Error:
        return "Which of its sessions stand in files too cannot be said."
    in_files = sum((home.path / source_path).exists() for (source_path,) in known)
    return f"{sessions - in_files:,} of its {sessions:,} sessions stand in no session file; export_json writes files."


def compare(engine: duck.Engine, here: Path, there: Path) -> tuple[Difference, ...]:
    """Compare what two databases that nobody uses say of sessions, instances and messages.

    Returns: a row a kind; none where one of them cannot be read with the kit's columns
    """
    try:
        for name, path in (("here", here), ("there", there)):
            with duck.attached(engine, path, "staging"):
                for table in ("sessions", "instances", "messages"):
                    duck.view(engine, f"verify/stored_{table}")
                duck.make(engine, "verify/stored_rows", table=name)
        found = {row[0]: Difference(*row) for row in duck.rows(engine, "rollback/comparison")}
    except duckdb.Error:
        return ()
    return tuple(found.get(kind, Difference(kind, 0, 0, 0, 0, 0, 0)) for kind in KINDS)


def _plan_json(run: Run) -> Planned:
    sessions = run.home.sessions
    if sessions.is_symlink() and not sessions.resolve().is_relative_to(run.home.path.resolve()):
        raise HomeError(sessions, "is a link that leads out of the home", "Give the folder it leads to as ait42_home")
    run.results[Inventory] = take_inventory(run)
    files = {file.source_path: file for file in run.get(Inventory).files}
    manifest = run.get(Chosen).backup.manifest
    changes = []
    for name, digest in manifest.files.items():
        shown = _shown_path(name)
        file = files.pop(shown, None)
        if file is None:
            changes.append(Change(shown, "missing: written"))
        elif file.copy is None:
            raise HomeError(
                sessions / Path(shown).name,
                f"{file.detail}, so it cannot be kept aside",
                "Give yourself the right to read it, or move it away, and run again",
            )
        elif file.sha256 != digest:
            changes.append(Change(shown, "differs: replaced"))
    notes = [f"{len(manifest.files) - len(changes):,} of {len(manifest.files):,} files are as in the backup already."]
    if files:
        notes.append(f"{len(files):,} files are not in the backup and stay as they are.")
    return Planned(tuple(changes), notes=tuple(notes))


def _shown_path(name: str) -> str:
    """As the inventory shows a real file name."""
    return f"sessions/{shown_name(name.removeprefix('sessions/'))}"


def _plan_export(run: Run) -> Planned:
    _output_dir(run)
    return Planned((Change("output_dir", "filled: one file a workspace, from the database"),))


def _output_dir(run: Run) -> Path:
    if not run.settings.output_dir:
        raise SettingsError("parameter output_dir", "is empty", "Give a new or empty folder to export to")
    output = Path(run.settings.output_dir).expanduser()
    if run.settings.dry_run and output.resolve().is_relative_to(run.home.path.resolve()):
        raise SettingsError(
            "parameter output_dir", "lies in the home, where a dry run writes nothing", "Name a folder elsewhere"
        )
    return output


def _plan_drill(run: Run) -> Planned:
    return Planned(notes=("The backup is restored into a temporary home, and that is migrated and compared.",))


# Doing it


def act(run: Run) -> Done:
    """Do what was planned. In a dry run only what writes nothing into the home: export_json and drill.

    Raises: DatabaseLocked, naming who has the database open; DiskFull; VerificationFailed
    Rule:   what is replaced is kept aside first, so that a rollback can be undone itself
    """
    actions: dict[str, Callable[[Run], Done]] = {
        "restore_database": _restore_database,
        "restore_json": _restore_json,
        "remove_database": _remove_database,
        "export_json": lambda run: Done(False, exported=export_json(run.home.database, _output_dir(run))),
        "drill": _drill,
    }
    action = actions.get(run.settings.action)
    if not action:
        return Done(False, ("No action was chosen.",))
    if run.settings.dry_run and run.settings.action not in ("export_json", "drill"):
        return Done(False, ("Set dry_run = False and run again to do exactly this.",))
    return action(run)


def _restore_database(run: Run) -> Done:
    """The backup's pages go into the database under its own lock: no file is swapped under anybody, and whatever stops
    this, SQLite's journal brings back what was there."""
    live, copy, aside = run.home.database, run.work / "there.db", _aside(run.home)
    require_space(run.home.path, 2 * (live.stat().st_size if live.exists() else 0) + copy.stat().st_size)
    if _sound(live):
        with alone(live) as connection:
            kept = run.work / aside.name
            backup.copy_pages(connection, kept)
            move_into(run.home, kept, aside.name)
            with driver_errors(live), closing(open_readonly(copy)) as source:
                backup.run_backup(source, connection)
            # Looked at through the lock: nobody has changed it, and nobody could.
            backup.copy_pages(connection, run.work / "restored.db")
        if backup.page_sum(run.work / "restored.db") != backup.page_sum(copy):
            raise VerificationFailed(
                live, "it is not what the backup has", f"Restore {aside.name} by copying it there, and report this"
            )
    else:
        move_aside(live, aside)
        move_into(run.home, copy, live.name)
    with driver_errors(live), closing(open_existing(live)) as connection:
        connection.execute("pragma journal_mode = wal")
    return _recorded(run, f"The database is that of {run.get(Chosen).backup.id}.", aside)


def _remove_database(run: Run) -> Done:
    live, aside = run.home.database, _aside(run.home)
    if _sound(live):
        with alone(live):
            # The log is in the file by now: what is left is the one file.
            rename_without_overwriting(live, aside)
    else:
        move_aside(live, aside)
    sync_folder(run.home.path)
    return _recorded(run, "The database was removed.", aside)


def _aside(home: Home) -> Path:
    return home.path / f"sessions_before_rollback_{backup.new_id(home)}.db"


def _recorded(run: Run, note: str, aside: Path) -> Done:
    notes = [note] + ([f"{aside.name} is the database of before."] if aside.exists() else [])
    record(run, "rollback", summarize(run))
    return Done(True, tuple(notes))


def _sound(database: Path) -> bool:
    """Whether SQLite can read it. What it cannot read is moved as a file."""
    kind = inspect_database(database).kind
    return kind == "empty" or (kind not in ("none", "damaged") and not backup.find_damage(database))


@contextmanager
def alone(database: Path) -> Iterator[sqlite3.Connection]:
    """Hold a database so that no other process can open or read it, its log folded in.

    Raises: DatabaseLocked, naming who has it open
    """
    _require_nobody(database)
    with driver_errors(database), closing(open_existing(database, timeout=0.5)) as connection:
        # Leaving WAL is refused while anybody else is connected; then the lock is kept until this connection is closed.
        connection.execute("pragma journal_mode = delete")
        connection.execute("pragma locking_mode = exclusive")
        connection.execute("begin exclusive")
        connection.execute("commit")
        yield connection


def _require_nobody(database: Path) -> None:
    if database.is_symlink():
        raise DatabaseRefused(database, "is a link", "Give the folder that it leads to as ait42_home")
    if by := holders(database):
        problem = f"it is open in another program ({'; '.join(by)})"
        raise DatabaseLocked(database, problem, "Close that and run again; nothing was changed")


def move_aside(database: Path, aside: Path) -> None:
    """Move what SQLite cannot read, with what lies beside it; the log first, so that it never outlives its database.

    Raises: DatabaseLocked, naming who has it open
    """
    _require_nobody(database)
    for path in (*side_files(database), database):
        if path.exists():
            rename_without_overwriting(path, Path(str(aside) + path.name.removeprefix(database.name)))
    sync_folder(database.parent)


def _restore_json(run: Run) -> Done:
    changes = run.get(Planned).changes
    if not changes:
        return Done(False, ("Nothing had to be restored.",))
    aside = backup.keep(run, database=False, aside=True)
    folder = run.work / "restored"
    folder.mkdir(mode=0o700)
    chosen = run.get(Chosen).backup
    restore_to(chosen, folder)
    if not run.home.sessions.exists():
        run.home.sessions.mkdir(mode=0o700)
        give_to_owner(run.home.sessions, run.home.path)
    files = {file.source_path: file for file in run.get(Inventory).files}
    wanted = {change.name for change in changes}
    for name in chosen.manifest.files:
        if (shown := _shown_path(name)) in wanted:
            _put(run.home, folder / name, run.home.path / name, files.get(shown))
    sync_folder(run.home.sessions)
    record(run, "rollback", summarize(run))
    kept = (f"What was there is kept: {aside}.",) if aside.backup else ()
    return Done(True, (f"{len(changes):,} files are as in {chosen.id}.", *kept))


def _put(home: Home, part: Path, target: Path, before: File | None) -> None:
    """Let one restored file take its place, if that is as it was looked at; a link there is replaced, not followed."""
    sync_file(part)
    give_to_owner(part, home.path)
    try:
        status = target.stat()
        now = (status.st_size, status.st_mtime_ns)
    except FileNotFoundError:
        now = None
    if now != (before and (before.size_bytes, before.mtime_ns)):
        raise SourceError(target, "has changed meanwhile", "Close the editor and run again: it will do the rest")
    os.replace(part, target)


# The drill


def _drill(run: Run) -> Done:
    """Restore, migrate and compare, in a home that is gone afterwards."""
    chosen = run.get(Chosen).backup
    home = run.work / "drill"
    home.mkdir(mode=0o700)
    restore_to(chosen, home)
    here, note = _look(run)
    mapping = read_mapping(run.home.mapping) | (known_workspaces(here) if here else {})
    inner = migrate(
        ait42_home=str(home),
        dry_run=False,
        backup=False,
        workspace_mapping=mapping,
        accept_hash_mismatch=sorted(mapping),
        redact=run.settings.redact,
    )
    if inner.failure:
        raise VerificationFailed(
            f"backup {chosen.id}",
            f"what it restores cannot be migrated: {inner.failure.problem}",
            "Make a new backup with migrate.ipynb, and do the drill again",
        ) from inner.failure
    backup.snapshot(home / "sessions.db", run.work / "there.db", untouched=True)
    differences = compare(run.engine, here, run.work / "there.db") if here else ()
    done = Done(False, (f"{chosen.id} was restored and migrated.", *([note] if note else [])), differences)
    if not run.settings.dry_run:
        record(run, "drill", summarize(run, done))
    return done


def known_workspaces(database: Path) -> dict[str, str]:
    """Hash -> path, as the runs of before found them or were told."""
    try:
        with closing(open_readonly(database)) as connection:
            return dict(connection.execute(duck.sql("rollback/known_workspaces")).fetchall())
    except sqlite3.Error:
        return {}


# Records and what is shown


def record(run: Run, kind: str, content: Mapping[str, object]) -> None:
    """Note in the database, where there is one of ours, what this run did."""
    if inspect_database(run.home.database).kind != "ours":
        return
    row = {
        "run_id": run.run_id,
        "kind": kind,
        "started_at": run.started_at,
        "kit_version": __version__,
        "outcome": content["outcome"],
        "summary": json.dumps(content),
    }
    with driver_errors(run.home.database), closing(open_existing(run.home.database)) as connection:
        connection.execute(duck.sql("publish/insert_run"), row)


def summarize(run: Run, done: Done | None = None) -> dict[str, object]:
    """The summary: of a run that failed as far as it came."""
    done = done or run.results.get(Done)
    chosen, planned = run.results.get(Chosen), run.results.get(Planned)
    return {
        "outcome": "failed" if run.failure else "ok" if done is None or done.alike else "held",
        "dry_run": run.settings.dry_run,
        "run_id": run.run_id,
        "kit_version": __version__,
        "ait42_home": shown_home(run),
        "action": run.settings.action,
        "backup_id": chosen.backup.id if chosen and chosen.backup else None,
        "changes": len(planned.changes) if planned else 0,
        "differences": {row.kind: row._asdict() for row in done.differences} if done else {},
        "errors": [type(run.failure).__name__ if run.settings.redact else str(run.failure)] if run.failure else [],
    }


def opening(run: Run) -> Shown:
    """What this run is going to do."""
    if run.failure:
        return report.skipped(run)
    action = run.settings.action
    if not action:
        return Notice("info", "This lists the backups", "To go back, choose an action from the table and run again.")
    if run.settings.dry_run:
        words = "This run shows exactly what the action would change. Set dry_run = False to do it."
        return Notice("dry_run", f"{action}: nothing will be changed in the home", words)
    return Notice("warning", f"This run will do it: {action}", "What it replaces is kept aside first.")


def show_backups(run: Run) -> Shown:
    """What the home can go back to."""
    if run.results.get(Found) is None:
        return report.skipped(run)
    rows = [
        {
            "id": Code(b.id),
            "age": _age(b),
            "size": size(b.size_bytes),
            "session files": len(b.manifest.files) if b.manifest else None,
            "database": b.database is not None,
            "state": Badge("failed", "damaged") if b.state == "damaged" else "kept by a rollback" if b.aside else "",
        }
        for b in run.get(Found).backups
    ]
    columns = ["id", "age", "size", "session files", "database", "state"]
    return Table(rows, columns, caption="Backups", right={"size", "age"}, empty="There is no backup in this home.")


def _age(b: Backup) -> str:
    hours = b.age.total_seconds() / 3600
    return f"{hours / 24:,.0f} days" if hours >= 48 else f"{hours:,.1f} hours"


def show_choice(run: Run) -> Shown:
    """Which backup is used, and that it is whole."""
    chosen = run.results.get(Chosen)
    if chosen is None:
        return report.skipped(run)
    if chosen.backup is None:
        return Notice("info", "No backup is needed for this")
    why = [redact.hidden(b.problem, run.settings.redact) for b in chosen.damaged]
    damaged = [f"{b.id} was passed over: {problem}." for b, problem in zip(chosen.damaged, why, strict=True)]
    checked = Notice("good", f"{chosen.backup.id} is whole", "Every byte of it was read and compared with its sums.")
    return Stack(checked, Notice("warning", "Newer ones are damaged", "\n".join(damaged)) if damaged else None)


def show_plan(run: Run) -> Shown:
    """Exactly what would change."""
    planned = run.results.get(Planned)
    if planned is None:
        return report.skipped(run)
    names = [redact.source_path(c.name, run.settings.redact) if "/" in c.name else c.name for c in planned.changes]
    rows = [{"file": Code(name), "what": c.what} for name, c in zip(names, planned.changes, strict=True)]
    table = Table(rows, ["file", "what"], caption="What changes", limit=500) if rows else None
    return Stack(table, _differences(planned.differences, "in the backup"), *planned.notes)


def _differences(differences: tuple[Difference, ...], there: str) -> Shown | None:
    heads = {
        "kind": "",
        "here": "in the database now",
        "there": there,
        "same": "the same",
        "differ": "differ",
        "only_here": "only in the database now",
        "only_there": f"only {there}",
    }
    return Table([row._asdict() for row in differences], heads, caption="The two databases") if differences else None


def show_result(run: Run) -> Shown:
    """What was done."""
    done = run.results.get(Done)
    if done is None:
        return report.skipped(run)
    notes = "\n".join(done.notes)
    if done.exported:
        columns = ["name", "sessions", "instances", "messages"]
        table = Table(done.exported.files, columns, caption="Exported", total=True, limit=500)
        only = f"{done.exported.only_in_database:,} of the sessions have never stood in a session file."
        return Stack(Notice("good", "The database was exported to JSON"), table, only)
    if run.settings.action == "drill":
        title = "The drill went well" if done.alike else "The database is not what the backup gives"
        words = "" if done.alike else "\nThat is in order if the database was written to since; look at what differs."
        notice = Notice("good" if done.alike else "warning", title, notes + words)
        return Stack(notice, _differences(done.differences, "in the drill"))
    if done.written:
        return Notice("good", "Done", notes)
    return Notice("dry_run" if run.settings.dry_run else "info", "Nothing was changed", notes)


def show_summary(run: Run, content: Mapping[str, object] | None = None) -> None:
    """Show the summary, carry it as JSON in this cell, and write it to `summary_path`."""
    content = content or summarize(run)
    write_summary(run, dict(content))
    verdicts = {
        "failed": lambda: report.failure(run),
        "held": lambda: Notice("warning", "Complete, but something should be looked at"),
        "ok": lambda: Notice("good", "Complete"),
    }
    shown = verdicts[content["outcome"]]()
    display(
        {"text/plain": shown.text(), "text/html": str(shown.html()), "application/json": content},
        raw=True,
        metadata={"application/json": {"expanded": False}},
    )
