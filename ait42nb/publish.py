"""The staging file becomes the database: by an atomic rename where there is none yet, else by a merge."""

from __future__ import annotations

import json
import os
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ait42nb import __version__, database, merge
from ait42nb.adopt import adopt_database
from ait42nb.engine import sql
from ait42nb.errors import DatabaseRefused, StrictRefused, VerificationFailed
from ait42nb.home import give_to_owner, rename_without_overwriting, sync_folder
from ait42nb.inventory import Inventory
from ait42nb.mapping import Mapped
from ait42nb.merge import Effect, Reconciled
from ait42nb.read import Documents
from ait42nb.recall import Recalled
from ait42nb.reconcile import KINDS, Balance, require_balance
from ait42nb.stage import WORDS, Staged, read_rejects
from ait42nb.stored import Stored
from ait42nb.summary import summarize
from ait42nb.verify import Verified, facts_of

if TYPE_CHECKING:
    from ait42nb.pipeline import Run

# The editor's sqlx gives up after five seconds; a slice of a merge ends well before.
SLICE_SECONDS = 1.0
# SQLite's waiting writers look ten times a second; without a pause none of them would find the lock free.
PAUSE = 0.2
# So many rows are written faster without the triggers that count them one by one.
BULK_ROWS = 2000
# So few are written under one lock, all or none, and need no trial on the snapshot.
FEW_ROWS = 20_000


@dataclass(frozen=True)
class Published:
    """Where the database lies, and whether it was written; not in a dry run."""

    database: Path
    written: bool


def rehearse_merge(run: Run) -> Reconciled:
    """Merge into the snapshot, to see the exact effect before anything is touched.

    Before a few rows are written in earnest they are only planned: that is the effect, and each is read back later.

    Returns: the effect, which `publish_database` replaces by what it did in the end
    Raises:  VerificationFailed, when the books do not balance; StrictRefused, under `strict`, for what is held or in
             conflict
    Rule:    a dry run does everything but publish (invariant 4)
    """
    _as_verified(run)
    reconciled = Reconciled(Effect(rejects=run.get(Staged).rejects), _with_unchanged(run, run.get(Verified).balance))
    if run.get(Stored).planned:
        with closing(_open_private(run.get(Stored).path)) as connection:
            reconciled = _merge(run, connection, live=False)
    if run.settings.strict and (run.get(Staged).held or reconciled.effect.conflicts):
        run.results[Reconciled] = reconciled
        raise StrictRefused(
            run.home.database,
            f"{len(run.get(Staged).held)} files and records are held back, "
            f"{len(reconciled.effect.conflicts)} sessions are in conflict",
            "Nothing was published; see the report, or run with strict = False",
        )
    return reconciled


def publish_database(run: Run) -> Published:
    """Let the staging file take its place.

    Raises: DatabaseRefused, when something lies where the database or its side files go, or it has vanished;
            VerificationFailed, when the staging file is not the one that was verified; DatabaseLocked; DiskFull
    Rule:   all or nothing (invariant 6); a dry run writes nothing (invariant 4)
    """
    live = run.home.database
    if run.settings.dry_run:
        return Published(live, written=False)
    staged = _as_verified(run)
    if run.get(Stored).exists:
        if not live.exists():
            raise DatabaseRefused(
                live, "it has vanished during the run", "Nothing was published; put it back, or run again without it"
            )
        if run.get(Stored).kind == "guide":
            adopt_database(live)
        with closing(database.connect(live)) as connection:
            run.results[Reconciled] = _merge(run, connection, live=True)
        return Published(live, written=True)
    with (
        closing(database.open_staging(staged)) as connection,
        database.driver_errors(staged),
        database.transaction(connection),
    ):
        _write_books(run, connection, run.get(Reconciled))
    _make_durable(staged)
    _refuse_strays(live)
    give_to_owner(staged, run.home.path)
    rename_without_overwriting(staged, live)
    sync_folder(run.home.path)
    return Published(live, written=True)


def _as_verified(run: Run) -> Path:
    """The staging file, if nobody has written to it since it was proven."""
    staged = run.get(Staged).path
    if facts_of(staged) != run.get(Verified).file:
        raise VerificationFailed(staged, "it has changed since it was verified", "Nothing was published; run again")
    return staged


# Merging


def _open_private(path: Path) -> sqlite3.Connection:
    """The snapshot: nobody else has it, and it is thrown away."""
    connection = database.open_staging(path)
    connection.execute("pragma foreign_keys = on")
    return connection


def _merge(run: Run, connection: sqlite3.Connection, *, live: bool) -> Reconciled:
    """Merge the staging file into a database.

    live: let others write in between, so that no lock lasts longer than SLICE_SECONDS and the last session in it.
          What is small goes in one, with its books; after a cut-off run the next one finishes what is left
    """
    effect = Effect()
    if live:
        run.results[Effect] = effect
    path = database.database_path(connection)
    with database.driver_errors(path):
        merge.attach(connection, run.get(Staged).path)
        work = dict(connection.execute(sql("merge/work")))
    rows = sum(work.values())
    apply = merge.apply_plan if rows < BULK_ROWS else _apply_in_bulk
    if not live and not run.settings.dry_run and rows < FEW_ROWS:
        apply = _only_plan
    done = False
    with run.progress("Merging" if live else "Rehearsing the merge", len(work), "sessions") as progress:
        remaining = progress.each(work)
        while not done:
            with database.driver_errors(path), database.transaction(connection):
                began = time.perf_counter()  # what waiting for the lock took is not its duration
                until = began + SLICE_SECONDS if live else None
                with _uncounted(connection) if apply is _apply_in_bulk else nullcontext():
                    done = _merge_slice(run, connection, remaining, effect, apply, until)
                if done:
                    books = run.get(Verified).balance.merged(effect.outcomes)
                    reconciled = Reconciled(effect, _with_unchanged(run, books))
                    require_balance(reconciled.balance, path)
                    _replace_rejects(run, connection, effect)
                    _forget_touches(run, connection, effect)
                    _write_books(run, connection, reconciled)
            effect.slices += 1
            effect.done = effect.outcomes.copy()
            effect.longest_lock = max(effect.longest_lock, time.perf_counter() - began)
            if not done:
                time.sleep(PAUSE)
    return reconciled


def _merge_slice(
    run: Run,
    connection: sqlite3.Connection,
    remaining: Iterator[str],
    effect: Effect,
    apply: Callable[[sqlite3.Connection, merge.Plan], None],
    until: float | None,
) -> bool:
    """Merge sessions until the time is up. Returns: whether all are done"""
    for session_id in remaining:
        plan = merge.plan_session(connection, session_id)
        rejects = list(_losers(run, connection, plan))
        apply(connection, plan)
        effect.touches += [touch for (touch,) in connection.execute(sql("merge/touch"), {"session_id": session_id})]
        for reject in rejects:
            connection.execute(sql("merge/insert_reject"), reject | {"run_id": run.run_id})
            if reject["reason"] == "deleted_in_database":
                effect.deleted += connection.execute(sql("merge/reject_id"), reject).fetchone()
        effect.outcomes.update({(plan.source_path, *key): n for key, n in plan.outcomes.items()})
        effect.kept.update({(plan.source_path, kind): n for kind, n in plan.kept.items()})
        effect.warnings.update(plan.warnings)
        effect.conflicts += [session_id] * (plan.loser is not None)
        if until and time.perf_counter() > until:
            return False
    return True


def _only_plan(connection: sqlite3.Connection, plan: merge.Plan) -> None:
    """Leave the database as it is."""


def _apply_in_bulk(connection: sqlite3.Connection, plan: merge.Plan) -> None:
    merge.apply_plan(connection, plan)
    connection.execute(sql("merge/count"), {"session_id": plan.session_id})


@contextmanager
def _uncounted(connection: sqlite3.Connection) -> Iterator[None]:
    """Counting a session's rows again with each that is added is quadratic: without triggers they are counted once."""
    triggers = database.drop_triggers(connection, ["instances", "chat_messages"])
    yield
    database.run_statements(connection, triggers)


def _losers(run: Run, connection: sqlite3.Connection, plan: merge.Plan) -> Iterator[dict[str, object]]:
    """What this plan leaves in neither store's place: the version that loses a conflict, and what a person deleted."""
    row = {"source_path": plan.source_path, "pointer": plan.pointer, "entity": "session", "key": plan.session_id}
    if plan.loser == "theirs":
        stored = merge.stored_version(connection, plan.session_id)
        yield row | _told("conflict", "session", None) | stored | {"pointer": None}
    if not plan.deleted and plan.loser != "ours":
        return
    text = run.get(Staged).originals.at(plan.source_path, plan.pointer)
    lists = merge.elements_of(connection, plan.session_id, text)
    whole = {"document": text, "instances": len(lists["instance"]), "messages": len(lists["message"])}
    if plan.loser == "ours":
        yield row | _told("conflict", "session", plan.pointer) | whole
    for entity, key, own_id in plan.deleted:
        if entity == "session":
            yield row | _told("deleted_in_database", entity, plan.pointer) | whole
            continue
        pointer, document = next((plan.pointer + pointer, text) for k, pointer, text in lists[entity] if k == key)
        counts = {"instances": int(entity == "instance"), "messages": int(entity == "message")}
        part = {"pointer": pointer, "entity": entity, "key": own_id, "document": document} | counts
        yield row | _told("deleted_in_database", entity, pointer) | part


def _told(reason: str, entity: str, pointer: str | None) -> dict[str, object]:
    told = {"reason": reason, "entity": entity, "pointer": pointer, "detail": WORDS[reason]}
    return {"reason": reason, "detail": json.dumps([told])}


# The books


def _with_unchanged(run: Run, books: Balance) -> Balance:
    """The books with the files that were not read again, for which nothing has changed."""
    known = {file.source_path: file.record.settled for file in run.get(Inventory).unchanged if file.record.settled}
    files = books.files | known
    names = [file.source_path for file in run.get(Inventory).files]
    return Balance({name: files[name] for name in names if name in files})


def _forget_touches(run: Run, connection: sqlite3.Connection, effect: Effect) -> None:
    read = [file.source_path for file in run.get(Inventory).readable]
    seen = run.results.get(Recalled, Recalled()).last_touch
    connection.execute(
        sql("merge/forget_touches"), {"seen": seen, "own": json.dumps(effect.touches), "read": json.dumps(read)}
    )


def _write_books(run: Run, connection: sqlite3.Connection, reconciled: Reconciled) -> None:
    """What the run says of itself, in the same file as the data; what says nothing new is not written again."""
    for row in _files(run):
        kinds = reconciled.balance.files.get(row["source_path"])
        row["balance"] = kinds and json.dumps(kinds)
        row["settled"] = json.dumps(reconciled.balance.settled(row["source_path"], reconciled.effect.kept))
        for kind in KINDS:
            row[kind] = kinds[kind]["source"] if kinds else 0
        connection.execute(sql("publish/write_file"), row)
        connection.execute(sql("publish/write_settled"), row)
    found = json.dumps([file.source_path for file in run.get(Inventory).files])
    connection.execute(sql("publish/mark_gone"), {"found": found, "run_id": run.run_id})
    summary = summarize(run, reconciled)
    connection.execute(
        sql("publish/insert_run"),
        {
            "run_id": run.run_id,
            "kind": "migrate",
            "started_at": run.started_at,
            "kit_version": __version__,
            "outcome": summary["outcome"],
            "summary": json.dumps(summary),
        },
    )


def _replace_rejects(run: Run, connection: sqlite3.Connection, effect: Effect) -> None:
    files = [f for f in run.get(Inventory).files if f.state != "unchanged"]
    connection.execute(
        sql("merge/drop_rejects"),
        {
            "read": json.dumps([f.source_path for f in files if f.state in ("read", "empty")]),
            "unread": json.dumps([f.source_path for f in files if f.state not in ("read", "empty")]),
            "deleted": json.dumps(effect.deleted),
        },
    )
    connection.execute(sql("merge/add_rejects"))
    effect.rejects = read_rejects(connection)


def _files(run: Run):
    mapped, readings = run.get(Mapped), run.get(Documents).readings
    for file in run.get(Inventory).files:
        if file.state == "unchanged":
            continue
        workspace = mapped[file.workspace_hash] if file.state == "read" else None
        reading = readings.get(file.file_no)
        state = reading.state if reading else file.state
        if state == "read" and workspace.state != "mapped":
            state = workspace.state
        yield {
            "source_path": file.source_path,
            "workspace_hash": file.workspace_hash,
            "workspace_path": workspace.workspace_path if workspace and workspace.state == "mapped" else None,
            "state": state,
            "size_bytes": file.size_bytes,
            "mtime_ns": file.mtime_ns,
            "sha256": file.sha256,
            "run_id": run.run_id,
            "detail": file.detail or (reading and reading.detail),
        }


def _make_durable(staged: Path) -> None:
    """Switch the file to WAL, in which it will be used, and see it on the disk as a whole."""
    with closing(database.open_staging(staged)) as connection, database.driver_errors(staged):
        connection.execute("pragma journal_mode = wal")
    if left := database.side_files(staged):
        raise DatabaseRefused(staged, f"{left[0].name} was left beside it", "Nothing was published; run again")
    handle = os.open(staged, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _refuse_strays(path: Path) -> None:
    """SQLite would replay the log of a database that is gone into the new one."""
    if strays := database.side_files(path):
        raise DatabaseRefused(
            path,
            f"{', '.join(s.name for s in strays)} of a former database lies where the new one goes",
            "Move it away (SQLite would replay it into the new database) and run again",
        )
