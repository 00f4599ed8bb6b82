"""The thirty days: a session file goes when the database has stood in for it long enough; what stays says why."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from ait42nb import __version__, backup, redact, report, rollback
from ait42nb import engine as duck
from ait42nb.backup import Backup, real_names, restore_to, sum_of
from ait42nb.database import driver_errors, inspect_database, open_existing, open_readonly, validate
from ait42nb.display import Badge, Code, Notice, Shown, Stack, Table, size
from ait42nb.errors import BackupRefused, DatabaseRefused, SettingsError
from ait42nb.home import sync_folder
from ait42nb.inventory import File, Inventory
from ait42nb.mapping import read_mapping
from ait42nb.pipeline import STAGES, Run, verify_database
from ait42nb.settings import OnHome, Settings
from ait42nb.stage import Staged
from ait42nb.summary import shown_home

# Why a file stays. What a person can do about it stands in the words.
REASONS = {
    "clock": "the clock, or the record of the runs, is wrong: nothing goes",
    "unreadable": "it cannot be read, or is a link",
    "not_migrated": "no finished and verified run has read it: run migrate.ipynb",
    "changed": "it has changed since it was migrated: run migrate.ipynb",
    "too_young": "it was migrated less than so many days ago",
    "not_stored": "records of it are not in the database as they stand in it: see migrate.ipynb and validate.ipynb",
    "held": "records of it are held back: see migrate.ipynb, or give them up by naming the file in confirm",
    "changed_meanwhile": "it changed while this ran",
}
# A person should look at these; the others settle themselves.
TO_BE_LOOKED_AT = frozenset({"clock", "unreadable", "not_migrated", "not_stored", "held"})


@dataclass(frozen=True)
class RetentionSettings(OnHome):
    """The parameters of `retention.ipynb`."""

    days: int = 30
    confirm: list[str] = field(default_factory=list)
    dry_run: bool = True
    redact: bool = True
    summary_path: str = ""


class Read(NamedTuple):
    """A file as a run read it; `finished_at` is None unless that run ended, and proved what it published."""

    size_bytes: int
    mtime_ns: int
    sha256: str
    finished_at: datetime | None


@dataclass(frozen=True)
class History:
    """A private copy of the database, the files that it knows, and why its times cannot be trusted, if so."""

    database: Path
    files: dict[str, Read]
    runs: int
    clock: str = ""


@dataclass(frozen=True)
class Compared:
    """For each file how many of its records the database has not as they stand there, and how many are held."""

    unstored: dict[str, Counter[str]]
    held: Counter[str]
    records: int


@dataclass(frozen=True)
class Verdict:
    """A file, and every reason why it stays; it may go if there is none."""

    file: File
    age: timedelta | None
    reasons: tuple[str, ...]


@dataclass(frozen=True)
class Judged:
    verdicts: tuple[Verdict, ...]

    @property
    def going(self) -> tuple[Verdict, ...]:
        return tuple(v for v in self.verdicts if not v.reasons)


@dataclass(frozen=True)
class Archived:
    """The backup that was just restored and compared; none in a dry run, or where nothing goes."""

    backup: Backup | None
    note: str


@dataclass(frozen=True)
class Removed:
    files: tuple[File, ...] = ()
    stayed: tuple[File, ...] = ()


def start(parameters: Mapping[str, object] | None = None, **more: object) -> Run:
    """Open a run from a notebook's `globals()`; see `pipeline.start`."""
    return rollback.start(parameters, RetentionSettings, **more)


def read_history(run: Run) -> History:
    """Copy the database, prove the copy sound, and read what it says of runs and files.

    Raises: DatabaseRefused, when there is none of ours, or it is not valid; DatabaseLocked; DiskFull
    """
    live, copy = run.home.database, run.work / "live.db"
    state = inspect_database(live)
    if state.kind != "ours":
        raise DatabaseRefused(live, state.reason, "Run migrate.ipynb first; nothing was removed")
    backup.snapshot(live, copy, untouched=True)
    with driver_errors(live), closing(open_readonly(copy)) as connection:
        if not validate(connection).is_valid:
            raise DatabaseRefused(live, "it is not valid", "Look at it with validate.ipynb; nothing was removed")
        runs = connection.execute(duck.sql("retention/runs")).fetchall()
        files = connection.execute(duck.sql("retention/files")).fetchall()
    finished = {run_id: _moment(at) if verified else None for run_id, _, at, verified in runs}
    read = {path: Read(*facts, finished.get(run_id)) for path, *facts, run_id in files}
    return History(copy, read, len(runs), _clock_problem(runs))


def _clock_problem(runs: list[tuple]) -> str:
    """Why the times cannot be trusted: by a clock that is wrong, everything may be thirty days old."""
    times = [_moment(at) for _, *both, _ in runs for at in both if at is not None]
    if None in times:
        return "a run has a time that cannot be read"
    if any(moment > datetime.now(UTC) for moment in times):
        return "a run lies in the future: the clock is wrong, or was wrong then"
    return ""


def _moment(text: object) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text)
    except (TypeError, ValueError):
        return None
    return moment if moment.tzinfo else None


def compare_records(run: Run) -> Compared:
    """Read every file once more, by the whole pipeline but publishing, and compare the result with the database.

    Raises: VerificationFailed and whatever else stops a migration
    Rule:   every value is compared (invariant 10), what is kept beside the columns and in rejects too
    """
    history = run.get(History)
    staged = _migrate_privately(run, history.database)
    for name, path in (("wanted", staged.path), ("kept", history.database)):
        with duck.attached(run.engine, path, "staging"):
            for table in ("sessions", "instances", "messages"):
                duck.view(run.engine, f"verify/stored_{table}")
            duck.make(run.engine, "verify/stored_rows", table="stored")
            records = duck.make(run.engine, "retention/content", table=name)
    unstored: dict[str, Counter[str]] = {}
    for source_path, entity, count in duck.rows(run.engine, "retention/unstored"):
        unstored.setdefault(source_path, Counter())[entity] = count
    return Compared(unstored, Counter(held.source_path for held in staged.held), records)


def _migrate_privately(run: Run, database: Path) -> Staged:
    """A dry run over the same home, under the lock that this run holds, with the paths that the database knows."""
    mapping = read_mapping(run.home.mapping) | rollback.known_workspaces(database)
    settings = Settings(
        ait42_home=str(run.home.path),
        workspace_mapping=mapping,
        accept_hash_mismatch=sorted(mapping),
        reread=True,
        redact=run.settings.redact,
    )
    inner = Run(settings, run.home, work=run.work / "check", engine=run.engine)
    inner.work.mkdir(mode=0o700)
    for stage in STAGES[: STAGES.index(verify_database) + 1]:
        inner.step(stage)
    if inner.failure:
        raise inner.failure
    run.results[Inventory] = inner.get(Inventory)
    return inner.get(Staged)


def judge_files(run: Run) -> Judged:
    """Say of each file whether it may go, and every reason why not.

    Raises: SettingsError, when `confirm` names a file that is not there
    """
    files = run.get(Inventory).files
    unknown = set(run.settings.confirm) - {file.source_path for file in files}
    if unknown:
        problem = f"names {sorted(unknown)[0]!r}, which is not there"
        raise SettingsError("parameter confirm", problem, "Name files as the table shows them: sessions/….json")
    paths = _paths(run)
    return Judged(tuple(_judge(run, file, paths[file.source_path]) for file in files))


def _judge(run: Run, file: File, path: Path) -> Verdict:
    history, compared = run.get(History), run.get(Compared)
    read = history.files.get(file.source_path)
    age = datetime.now(UTC) - read.finished_at if read and read.finished_at else None
    tests = {
        "clock": bool(history.clock),
        "unreadable": file.copy is None or path.is_symlink() or not _inside(path, run.home.path),
        "not_migrated": age is None,
        "changed": read is not None and (file.size_bytes, file.mtime_ns, file.sha256) != read[:3],
        "too_young": age is not None and age < timedelta(days=run.settings.days),
        "not_stored": file.source_path in compared.unstored,
        "held": compared.held[file.source_path] > 0 and file.source_path not in run.settings.confirm,
    }
    return Verdict(file, age, tuple(reason for reason, applies in tests.items() if applies))


def _paths(run: Run) -> dict[str, Path]:
    """Where each file really lies: a name that is not UTF-8 is shown otherwise than it is."""
    names = {f"sessions/{shown}": name for shown, name in real_names(run.home.sessions).items()}
    listed = (file.source_path for file in run.get(Inventory).files)
    return {path: run.home.path / "sessions" / names.get(path, Path(path).name) for path in listed}


def archive_files(run: Run) -> Archived:
    """Back up the home, restore that into a temporary folder, and compare each file that may go, byte for byte.

    Raises: BackupRefused, when one of them is not in it exactly as it is
    """
    going = run.get(Judged).going
    if not going:
        return Archived(None, "No file may go, so none has to be archived.")
    if run.settings.dry_run:
        return Archived(None, "A real run makes an archive now, restores it into a temporary folder, and compares.")
    kept = backup.keep(run).backup
    folder = run.work / "restored"
    folder.mkdir(mode=0o700)
    restore_to(replace(kept, database=None), folder)
    paths = _paths(run)
    for file in (verdict.file for verdict in going):
        restored = folder / "sessions" / paths[file.source_path].name
        if not (restored.is_file() and sum_of(restored) == file.sha256):
            raise BackupRefused(kept.archive.name, f"does not give back {file.source_path}", "Nothing was removed")
    return Archived(kept, f"{kept.archive.name} was restored, and gives back every file that goes.")


def remove_files(run: Run) -> Removed:
    """Remove the files that may go, each looked at once more.

    Raises: DatabaseLocked, before anything is removed, when the database takes no note of it
    Rule:   the only place where sources are touched (invariant 5); what has no archive does not go
    """
    going = [verdict.file for verdict in run.get(Judged).going]
    if run.settings.dry_run:
        return Removed()
    _note(run, "retention/begin_run", {"started_at": run.started_at, "kit_version": __version__})
    removed, stayed, paths = [], [], _paths(run)
    for file in going if run.get(Archived).backup else ():
        path = paths[file.source_path]
        if _still(path, file):
            path.unlink()
            removed.append(file)
        else:
            stayed.append(file)
    if removed:
        sync_folder(run.home.sessions)
    done = Removed(tuple(removed), tuple(stayed))
    content = summarize(run, done)
    _note(run, "retention/finish_run", {"outcome": content["outcome"], "summary": json.dumps(content)})
    return done


def _inside(path: Path, home: Path) -> bool:
    """Whether a file lies in the home indeed: `sessions` may be a link to a folder elsewhere."""
    return path.resolve().is_relative_to(home.resolve())


def _still(path: Path, file: File) -> bool:
    """Whether a file is, at this moment, what was judged and archived."""
    try:
        status = path.lstat()
        return (status.st_size, status.st_mtime_ns) == (file.size_bytes, file.mtime_ns) and sum_of(path) == file.sha256
    except OSError:
        return False


def _note(run: Run, name: str, values: Mapping[str, object]) -> None:
    with driver_errors(run.home.database), closing(open_existing(run.home.database)) as connection:
        connection.execute(duck.sql(name), {"run_id": run.run_id, **values})


# What is shown


def opening(run: Run) -> Shown:
    """What this run is going to do."""
    if run.failure:
        return report.skipped(run)
    if run.settings.dry_run:
        words = "This run shows which session files may go and why the others stay. Set dry_run = False to remove them."
        return Notice("dry_run", "Nothing will be removed", words)
    return Notice("warning", "This run removes session files", "Each is archived first, and that archive restored.")


def show_history(run: Run) -> Shown:
    """Whether the database can stand alone, and its times can be trusted."""
    history = run.results.get(History)
    if history is None:
        return report.skipped(run)
    told = f"It knows {len(history.files):,} files and {history.runs:,} runs."
    if history.clock:
        return Notice("blocking", f"Nothing goes: {history.clock}", told)
    return Notice("good", "The database is valid, and its runs lie in the past", told)


def show_comparison(run: Run) -> Shown:
    """What the database does not have as the files have it."""
    compared = run.results.get(Compared)
    if compared is None:
        return report.skipped(run)
    rows = [
        {"file": _file(run, path), "what": entity, "records": count}
        for path, counts in compared.unstored.items()
        for entity, count in counts.items()
    ]
    title = f"{compared.records:,} stored records were compared with the files, read again"
    table = Table(rows, ["file", "what", "records"], caption="Not in the database as in the file", limit=200)
    return Stack(Notice("warning" if rows else "good", title), table if rows else None)


def show_verdicts(run: Run) -> Shown:
    """Which files may go, and why the others stay."""
    judged = run.results.get(Judged)
    if judged is None:
        return report.skipped(run)
    rows = [
        {
            "file": _file(run, v.file.source_path),
            "size": size(v.file.size_bytes),
            "days in the database": v.age and v.age.days,
            "verdict": Badge("info", "stays") if v.reasons else Badge("good", "may go"),
            "why": Stack(*(f"{reason}: {REASONS[reason]}" for reason in v.reasons)),
        }
        for v in judged.verdicts
    ]
    columns = ["file", "size", "days in the database", "verdict", "why"]
    total = size(sum(v.file.size_bytes for v in judged.going))
    caption = f"{len(judged.going):,} of {len(rows):,} files may go, {total}"
    return Table(rows, columns, caption=caption, right={"size"}, limit=500, empty="There are no session files.")


def show_archive(run: Run) -> Shown:
    """That what goes can come back."""
    archived = run.results.get(Archived)
    if archived is None:
        return report.skipped(run)
    return Notice("good" if archived.backup else "dry_run" if run.settings.dry_run else "info", archived.note)


def show_removed(run: Run) -> Shown:
    """What was removed."""
    removed = run.results.get(Removed)
    if removed is None:
        return report.skipped(run)
    if run.settings.dry_run:
        return Notice("dry_run", "Nothing was removed", "Set dry_run = False and run again to remove these files.")
    if not (removed.files or removed.stayed):
        return Notice("info", "Nothing was removed")
    rows = [{"file": _file(run, f.source_path), "size": size(f.size_bytes)} for f in removed.files]
    stayed = [{"file": _file(run, f.source_path), "why": REASONS["changed_meanwhile"]} for f in removed.stayed]
    archive = run.get(Archived).backup.archive.name
    return Stack(
        Notice("good", f"{len(rows):,} files were removed", f"{archive} has them: rollback.ipynb brings them back."),
        Table(rows, ["file", "size"], caption="Removed", right={"size"}, limit=500),
        Table(stayed, ["file", "why"], caption="Stayed after all") if stayed else None,
    )


def _file(run: Run, source_path: str) -> Code:
    return Code(redact.source_path(source_path, run.settings.redact))


def summarize(run: Run, removed: Removed | None = None) -> dict[str, object]:
    """The summary: of a run that failed as far as it came."""
    judged, archived = run.results.get(Judged), run.results.get(Archived)
    removed = removed or run.results.get(Removed) or Removed()
    verdicts = judged.verdicts if judged else ()
    stay = Counter(reason for verdict in verdicts for reason in verdict.reasons)
    stay += Counter({"changed_meanwhile": len(removed.stayed)})
    return {
        "outcome": "failed" if run.failure else "held" if TO_BE_LOOKED_AT & stay.keys() else "ok",
        "dry_run": run.settings.dry_run,
        "run_id": run.run_id,
        "kit_version": __version__,
        "ait42_home": shown_home(run),
        "days": run.settings.days,
        "files": {"found": len(verdicts), "may_go": len(judged.going) if judged else 0, "removed": len(removed.files)},
        "removed": [redact.source_path(file.source_path, run.settings.redact) for file in removed.files],
        "stay": dict(sorted(stay.items())),
        "backup_id": archived.backup.id if archived and archived.backup else None,
        "errors": [type(run.failure).__name__ if run.settings.redact else str(run.failure)] if run.failure else [],
    }


def show_summary(run: Run) -> None:
    """Show the summary, carry it as JSON in this cell, and write it to `summary_path`."""
    rollback.show_summary(run, summarize(run))
