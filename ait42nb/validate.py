"""`validate.ipynb`: is the database sound, do the two stores agree, and may dual writing end? Changes nothing.

The session files are staged once more, as a dry run does it, and compared with a snapshot of the database.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Literal

from ait42nb import database, merge, pipeline, report
from ait42nb.database import ValidationReport
from ait42nb.display import Code, Details, Notice, Pre, Shown, Stack, Step, Steps, Table, counted
from ait42nb.engine import sql
from ait42nb.errors import Ait42Error, DatabaseRefused, StrictRefused, VerificationFailed
from ait42nb.home import Home
from ait42nb.pictures import bar_picture
from ait42nb.pipeline import Run
from ait42nb.redact import error_line
from ait42nb.settings import Settings, read_settings
from ait42nb.stage import Staged
from ait42nb.stored import Stored
from ait42nb.summary import shown_home, write_summary
from ait42nb.verify import Verified, verify_database

# Dual writing may end after a week of clean nightly runs, the last of them lately.
CLEAN_DAYS = 7
LATELY = timedelta(days=2)

# What a dry run does before it merges.
STAGES = pipeline.STAGES[: pipeline.STAGES.index(verify_database) + 1]


@dataclass(frozen=True)
class Difference:
    """A session that the two stores do not hold alike.

    fields: the columns that differ, with `instances.` or `messages.` before theirs, and `unknown keys`; instances,
    messages: how many of them differ or are on one side only; newer: the side with the later updatedAt, or neither;
    waits: the next run would change something. Otherwise the database is ahead, or somebody deleted it there
    """

    session_id: str
    state: Literal["different", "only_in_json", "only_in_database"]
    fields: tuple[str, ...] = ()
    instances: int = 0
    messages: int = 0
    newer: Literal["json", "database", "neither"] = "neither"
    waits: bool = False


@dataclass(frozen=True)
class Reconciliation:
    """JSON against the database, session by session."""

    equal: int
    held: int
    differences: tuple[Difference, ...]

    def count(self, state: str) -> int:
        return sum(difference.state == state for difference in self.differences)

    @property
    def waiting(self) -> int:
        return sum(difference.waits for difference in self.differences)

    @property
    def consistency(self) -> float:
        """The share of the sessions in JSON that the database holds alike, from 0 to 1."""
        compared = self.equal + self.held + self.count("different") + self.count("only_in_json")
        return self.equal / compared if compared else 1.0


@dataclass(frozen=True)
class Health:
    """The guide's validation of the live database."""

    report: ValidationReport


@dataclass(frozen=True)
class History:
    """The last merges (run_id, finished_at, drift), the newest first, and where the migration stands."""

    runs: tuple[tuple[str, str, int], ...]
    status: dict[str, object]


def start(parameters: Mapping[str, object] | None = None, **more: object) -> Run:
    """Open a run that changes nothing; see `pipeline.start`.

    All parameters of migrate.ipynb are understood: one file of them serves both, and a mapping counts here as there.
    """
    pipeline.close_former(parameters)
    try:
        settings = read_settings({**(parameters or {}), **more})
    except Ait42Error as error:
        return Run(Settings(), Home(Settings().home), failure=error)
    return pipeline.open_run(replace(settings, dry_run=True, reread=True))


def examine_database(run: Run) -> Health:
    """Validate the database as it is.

    Raises: DatabaseRefused, when there is none, or it is not the kit's
    """
    live = run.home.database
    state = database.inspect_database(live)
    if state.kind in ("none", "empty", "guide"):
        raise DatabaseRefused(live, state.reason, "Run migrate.ipynb first, which makes the database")
    if state.kind != "ours":
        raise DatabaseRefused(live, state.reason, "Look at ait42_home, or restore a backup with rollback.ipynb")
    with closing(database.open_readonly(live)) as connection:
        return Health(database.validate(connection))


def compare_stores(run: Run) -> Reconciliation:
    """Stage the session files once more and compare them with a snapshot of the database, field by field.

    Raises: whatever stops a dry run
    """
    for stage in STAGES:
        run.step(stage)
        if run.failure:
            raise run.failure
    with closing(database.open_staging(run.get(Stored).path)) as connection:
        merge.attach(connection, run.get(Staged).path)
        surplus = {id_: rows for id_, *rows in connection.execute(sql("validate/surplus"))}
        odd = {id_ for (id_,) in connection.execute(sql("validate/unknown_keys"))}
        suspects = {id_ for id_, _ in connection.execute(sql("merge/work"))} | surplus.keys() | odd
        compared = (_compare(connection, id_, surplus.get(id_, (0, 0)), id_ in odd) for id_ in sorted(suspects))
        found = [difference for difference in compared if difference]
        surplus_sessions = connection.execute(sql("validate/only_in_database")).fetchall()
    books = run.get(Verified).balance.total["sessions"]
    differences = (*found, *(Difference(id_, "only_in_database") for (id_,) in surplus_sessions))
    return Reconciliation(books["inserted"] - len(found), books["held"], differences)


def _compare(connection: sqlite3.Connection, session_id: str, surplus: tuple[int, int], odd: bool) -> Difference | None:
    """How the two stores differ in a session that JSON has, if they do; times count as instants."""
    by_session = {"session_id": session_id}
    sides = {side: row for side, *row in connection.execute(sql("merge/session"), by_session)}
    plan = merge.plan_session(connection, session_id)
    waits = bool(plan.loser or {"inserted", "updated"} & {outcome for _, outcome in plan.outcomes})
    if "theirs" not in sides:
        counts = (len(connection.execute(sql(f"merge/{kind}"), by_session).fetchall()) for kind in _ROWS)
        return Difference(session_id, "only_in_json", (), *counts, waits=waits)
    ours, theirs = (dict(zip(merge.SESSION_COLUMNS, sides[side], strict=True)) for side in ("ours", "theirs"))
    fields = dict.fromkeys(_differing(merge.SESSION_COLUMNS, sides["ours"], sides["theirs"]))
    counts = []
    for (kind, (columns, owner, begin)), missing in zip(_ROWS.items(), surplus, strict=True):
        rows = [
            (row[owner], _differing(columns, row[begin : begin + len(columns)], row[begin + len(columns) :]))
            for row in connection.execute(sql(f"merge/{kind}"), by_session)
        ]
        counts.append(missing + sum(there is None or bool(differing) for there, differing in rows))
        fields |= {f"{kind}.{column}": None for there, differing in rows if there is not None for column in differing}
    if odd:
        fields["unknown keys"] = None
    if not fields and not any(counts):
        return None
    newer = "json" if merge.later(ours["updated_at"], theirs["updated_at"]) else "neither"
    newer = "database" if merge.later(theirs["updated_at"], ours["updated_at"]) else newer
    waits = waits or (odd and plan.follows_json)
    return Difference(session_id, "different", tuple(fields), *counts, newer, waits)


# What merge/instances.sql and merge/messages.sql give: the columns, and where the row's owner and its values stand.
_ROWS = {"instances": (merge.INSTANCE_COLUMNS, 1, 2), "messages": (merge.MESSAGE_COLUMNS, 2, 3)}


def _differing(columns: tuple[str, ...], ours: list[object], theirs: list[object]) -> list[str]:
    values = zip(columns, ours, theirs, strict=True)
    return [c for c, mine, other in values if merge.comparable(c, mine) != merge.comparable(c, other)]


def read_history(run: Run) -> History:
    """What the runs before have found, from the snapshot, whose schema is this version's."""
    with closing(database.open_staging(run.get(Stored).path)) as connection:
        connection.row_factory = sqlite3.Row
        status = dict(connection.execute(sql("validate/status")).fetchone())
        return History(tuple(map(tuple, connection.execute(sql("validate/runs")))), status)


def judge(run: Run) -> None:
    """Fail where the notebook is to fail.

    Raises: VerificationFailed, when the database is not valid; StrictRefused, under `strict`, on any difference
    """
    if not run.get(Health).report.is_valid:
        raise VerificationFailed(run.home.database, "it is not valid", "Restore a backup with rollback.ipynb")
    found = run.get(Reconciliation)
    if run.settings.strict and (found.differences or found.held):
        raise StrictRefused(
            run.home.database,
            f"the two stores differ: {_told(len(found.differences), 'not alike')}, {_told(found.held, 'held back')}",
            f"The report says how; {_told(found.waiting, 'waiting for the next run of migrate.ipynb')}",
        )


def verdict(run: Run) -> list[Step]:
    """The checklist of a cut-over: may dual writing end?"""
    status, found = run.get(History).status, run.get(Reconciliation)
    lines = (
        (run.get(Health).report.is_valid, "The database is valid", "Restore a backup with rollback.ipynb"),
        (
            status["clean_days"] >= CLEAN_DAYS,
            f"Clean runs on {counted(status['clean_days'], 'day')} in a row; {CLEAN_DAYS} are wanted",
            "Let the nightly job run on; a run is clean if nothing is held or in conflict",
        ),
        (
            _lately(status["last_verified_at"]),
            f"The last run was at {report.moment(status['last_verified_at'], run.settings.redact)}",
            f"Look why the nightly job does not end; {LATELY.days} days are too long",
        ),
        (not found.held, _told(found.held, "held back"), "migrate.ipynb's report says why, and the remedy"),
        (not found.waiting, _told(found.waiting, "waiting for the next run"), "Run migrate.ipynb"),
        (
            status["last_drill"] is not None,
            f"A restore was tried at {report.moment(status['last_drill'], run.settings.redact)}"
            if status["last_drill"]
            else "No restore was tried",
            "Run rollback.ipynb with action = 'drill' and dry_run = False",
        ),
    )
    return [Step("good" if good else "blocking", title, "" if good else remedy) for good, title, remedy in lines]


def _told(number: int, what: str) -> str:
    return f"{counted(number, 'session')} {what}"


def _lately(time: str | None) -> bool:
    try:
        return datetime.now(UTC) - datetime.fromisoformat(time) < LATELY
    except (TypeError, ValueError):
        return False


# What the notebook shows


def show_health(run: Run) -> Shown:
    """Whether the database is sound."""
    if run.results.get(Health) is None:
        return report.skipped(run)
    found = run.get(Health).report
    title = "The database is valid" if found.is_valid else "The database is not valid"
    details = found.details if not run.settings.redact else ()
    return Stack(
        Notice("good" if found.is_valid else "failed", title),
        Pre(str(found)),
        Table([{"what": detail} for detail in details], caption="Found") if details else None,
    )


def show_differences(run: Run) -> Shown:
    """Where the two stores differ."""
    if run.results.get(Reconciliation) is None:
        return report.skipped(run)
    found = run.get(Reconciliation)
    counts = {
        "equal": found.equal,
        "different": found.count("different"),
        "only in JSON": found.count("only_in_json"),
        "only in the database": found.count("only_in_database"),
        "held": found.held,
    }
    rows = [
        {
            "session": Code(d.session_id),
            "state": d.state.replace("_", " ").replace("json", "JSON"),
            "newer": d.newer.replace("json", "JSON"),
            "fields": ", ".join(d.fields),
            "instances": d.instances,
            "messages": d.messages,
            "next run": "changes it" if d.waits else "leaves it",
        }
        for d in found.differences
    ]
    # rounded down: all alike is said only where it is so
    share = f"{int(found.consistency * 10_000) / 100:.2f} %"
    return Stack(
        Notice(
            "warning" if rows or found.held else "good", f"{share} of the sessions in JSON are alike in the database"
        ),
        Table([{"sessions": label, "how many": n} for label, n in counts.items()]),
        Table(rows, caption="Not alike", limit=200) if rows else None,
    )


def show_drift(run: Run) -> Shown:
    """How much the stores differed when each of the last runs came."""
    if run.results.get(History) is None:
        return report.skipped(run)
    history, redact = run.get(History), run.settings.redact
    drift = {f"{report.moment(time, redact)} {id_[-6:]}": n or 0 for id_, time, n in reversed(history.runs)}
    status = history.status | {
        name: report.moment(history.status[name], redact) for name in ("last_verified_at", "last_drill")
    }
    return Stack(
        bar_picture("Rows that differed when a run came", drift)
        if drift
        else Notice("info", "There was one run so far", "It put everything in; drift shows from the second one on."),
        Details("migration_status", Table([{"column": name, "value": value} for name, value in status.items()])),
    )


def show_verdict(run: Run) -> Shown:
    """Go or no-go, with the reasons."""
    if run.results.get(History) is None:
        return report.skipped(run)
    lines = Steps(verdict(run))
    if lines.blocked:
        return Stack(Notice("warning", "No-go: keep writing both stores"), lines)
    return Stack(Notice("good", "Go: dual writing may end"), lines)


def summarize(run: Run) -> dict[str, object]:
    """The summary of a validation; of one that failed as far as it came."""
    health, found, verified = (run.results.get(kind) for kind in (Health, Reconciliation, Verified))
    validation = health.report if health else ValidationReport()
    if verified:
        validation = replace(validation, values_compared=verified.report.values_compared)
    lines = verdict(run) if run.results.get(History) else []
    alike = found and not found.held and not found.differences
    return {
        "outcome": "failed" if run.failure else "ok" if alike else "held",
        "dry_run": True,
        "run_id": run.run_id,
        "ait42_home": shown_home(run),
        "errors": [error_line(run.failure, run.settings.redact, run.home.path)] if run.failure else [],
        "validation": validation.to_dict(),
        "reconciliation": {
            "equal": found.equal,
            **{state: found.count(state) for state in ("different", "only_in_json", "only_in_database")},
            "held": found.held,
            "waiting": found.waiting,
            "consistency": round(found.consistency, 6),
        }
        if found
        else {},
        "verdict": {
            "go": bool(lines) and all(line.kind == "good" for line in lines),
            "reasons": [line.title for line in lines if line.kind != "good"],
        },
    }


def show_summary(run: Run) -> None:
    """Show the outcome, carry the summary as JSON in this cell, and write it to `summary_path`."""
    content = summarize(run)
    write_summary(run, content)
    words = {"ok": ("good", "Sound, and alike"), "held": ("warning", "Sound, but not alike; see above")}
    shown = report.failure(run) if run.failure else Notice(*words[content["outcome"]])
    report.show_summary(shown, content)
