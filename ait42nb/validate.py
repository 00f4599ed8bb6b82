"""`validate.ipynb`: is the database sound, do the two stores agree, and may dual writing end? Changes nothing.

The session files are staged once more, as a dry run does it, and compared with a snapshot of the database.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from typing import Literal

from IPython.display import display

from ait42nb import database, merge, pipeline, report
from ait42nb.database import ValidationReport
from ait42nb.display import Badge, Code, Details, Notice, Pre, Shown, Stack, Step, Steps, Table
from ait42nb.engine import sql
from ait42nb.errors import Ait42Error, DatabaseRefused, StrictRefused, VerificationFailed
from ait42nb.home import Home
from ait42nb.pictures import bar_picture
from ait42nb.pipeline import Run
from ait42nb.redact import error_line
from ait42nb.settings import Settings, ValidateSettings, read_settings
from ait42nb.stage import Staged
from ait42nb.stored import Stored
from ait42nb.summary import shown_home, write_summary
from ait42nb.verify import Verified

# So many clean runs in a row before dual writing may end: a week of nightly ones.
CLEAN_RUNS = 7

STAGES = (
    pipeline.take_inventory,
    pipeline.take_snapshot,
    pipeline.map_workspaces,
    pipeline.read_documents,
    pipeline.check_records,
    pipeline.resolve_records,
    pipeline.stage_database,
    pipeline.verify_database,
)


@dataclass(frozen=True)
class Difference:
    """A session that the two stores do not hold alike.

    fields: the columns of the session that differ; instances, messages: how many of them differ or are on one side only;
    newer: the side with the later updatedAt, or neither
    """

    session_id: str
    state: Literal["different", "only_in_json", "only_in_database"]
    fields: tuple[str, ...] = ()
    instances: int = 0
    messages: int = 0
    newer: Literal["json", "database", ""] = ""


@dataclass(frozen=True)
class Reconciliation:
    """JSON against the database, session by session."""

    equal: int
    held: int
    differences: tuple[Difference, ...]

    def count(self, state: str) -> int:
        return sum(difference.state == state for difference in self.differences)

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
    """The last runs, the newest first, and where the migration stands (`migration_status`)."""

    runs: tuple[tuple, ...]
    status: dict[str, object]


def start(parameters: Mapping[str, object] | None = None, **more: object) -> Run:
    """Open a run that changes nothing; see `pipeline.start`."""
    try:
        given = read_settings({**(parameters or {}), **more}, ValidateSettings)
    except Ait42Error as error:
        return Run(Settings(), Home(Settings().home), failure=error)
    settings = Settings(
        ait42_home=given.ait42_home, strict=given.strict, redact=given.redact, summary_path=given.summary_path
    )
    return pipeline.open_run(settings)


def examine_database(run: Run) -> Health:
    """Validate the database as it is.

    Raises: DatabaseRefused, when there is none, or it is not the kit's
    """
    live = run.home.database
    state = database.inspect_database(live)
    if state.kind != "ours":
        raise DatabaseRefused(live, state.reason, "Run migrate.ipynb first")
    with closing(database.open_readonly(live)) as connection:
        return Health(database.validate(connection))


def read_history(run: Run) -> History:
    """What the runs before have found."""
    with closing(database.open_readonly(run.home.database)) as connection, database.driver_errors(run.home.database):
        cursor = connection.execute(sql("validate/status"))
        status = dict(zip([column[0] for column in cursor.description], cursor.fetchone(), strict=True))
        return History(tuple(connection.execute(sql("validate/runs"))), status)


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
        work = [session_id for session_id, _ in connection.execute(sql("merge/work"))]
        found = [difference for session_id in work if (difference := _difference(connection, session_id))]
        found += [
            Difference(id_, "only_in_database") for (id_,) in connection.execute(sql("validate/only_in_database"))
        ]
    books = run.get(Verified).balance.total["sessions"]
    in_json = sum(difference.state != "only_in_database" for difference in found)
    return Reconciliation(books["inserted"] - in_json, books["held"], tuple(found))


def _difference(connection: sqlite3.Connection, session_id: str) -> Difference | None:
    """How the two stores differ in a session, if they do; times count as instants."""
    by_session = {"session_id": session_id}
    sides = {side: row for side, *row in connection.execute(sql("merge/session"), by_session)}
    instances = len(connection.execute(sql("merge/instances"), by_session).fetchall())
    messages = len(connection.execute(sql("merge/messages"), by_session).fetchall())
    if "theirs" not in sides:
        return Difference(session_id, "only_in_json", (), instances, messages)
    ours, theirs = (dict(zip(merge.SESSION_COLUMNS, sides[side], strict=True)) for side in ("ours", "theirs"))
    columns = tuple(c for c in merge.SESSION_COLUMNS if merge.comparable(c, ours[c]) != merge.comparable(c, theirs[c]))
    if not columns and not instances and not messages:
        return None
    newer = "json" if merge.later(ours["updated_at"], theirs["updated_at"]) else ""
    newer = "database" if merge.later(theirs["updated_at"], ours["updated_at"]) else newer
    return Difference(session_id, "different", columns, instances, messages, newer)


def judge(run: Run) -> None:
    """Fail where the notebook is to fail.

    Raises: VerificationFailed, when the database is not valid; StrictRefused, under `strict`, on any difference
    """
    if not run.get(Health).report.is_valid:
        raise VerificationFailed(run.home.database, "it is not valid", "Restore a backup with rollback.ipynb")
    differences = run.get(Reconciliation).differences
    if run.settings.strict and differences:
        raise StrictRefused(
            run.home.database,
            f"{len(differences)} sessions are not alike in the two stores",
            "Run migrate.ipynb, then this again",
        )


def verdict(run: Run) -> list[Step]:
    """The checklist of a cut-over: may dual writing end?"""
    health, history, found = run.get(Health).report, run.get(History), run.get(Reconciliation)
    clean = history.status["clean_runs"]
    drilled = any(kind == "drill" and outcome == "ok" for _, _, kind, outcome, _ in history.runs)
    lines = (
        (health.is_valid, "The database is valid", "Restore a backup with rollback.ipynb"),
        (clean >= CLEAN_RUNS, f"{clean} clean runs in a row, {CLEAN_RUNS} are wanted", "Let the nightly job run on"),
        (not found.held, f"{found.held} sessions are held back", "See migrate.ipynb's report, and mend them"),
        (
            not found.count("only_in_json"),
            f"{found.count('only_in_json')} sessions stand in JSON only",
            "Run migrate.ipynb",
        ),
        (
            not any(d.newer == "json" for d in found.differences),
            f"{sum(d.newer == 'json' for d in found.differences)} sessions are newer in JSON",
            "Run migrate.ipynb",
        ),
        (drilled, "A restore was tried", "Run rollback.ipynb with action = drill"),
    )
    return [Step("good" if good else "blocking", title, "" if good else remedy) for good, title, remedy in lines]


# What the notebook shows


def show_health(run: Run) -> Shown:
    """Whether the database is sound."""
    if run.results.get(Health) is None:
        return report.skipped(run)
    found = run.get(Health).report
    title = "The database is valid" if found.is_valid else "The database is not valid"
    details = (
        Table([{"what": d} for d in found.details], caption="Found")
        if found.details and not run.settings.redact
        else None
    )
    return Stack(Notice("good" if found.is_valid else "failed", title), Pre(str(found)), details)


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
            "state": d.state.replace("_", " "),
            "newer": d.newer or "neither",
            "fields": ", ".join(d.fields),
            "instances": d.instances,
            "messages": d.messages,
        }
        for d in found.differences
    ]
    kind = "good" if not found.differences else "warning"
    return Stack(
        Notice(kind, f"{found.consistency:.2%} of the sessions in JSON are alike in the database"),
        Table([{"sessions": label, "how many": n} for label, n in counts.items()]),
        Table(rows, caption="Not alike", limit=200) if rows else None,
    )


def show_drift(run: Run) -> Shown:
    """How much the stores differed when each of the last runs came."""
    if run.results.get(History) is None:
        return report.skipped(run)
    runs = [row for row in reversed(run.get(History).runs) if row[2] == "migrate" and row[4] is not None]
    drift = {(finished or run_id)[:16].replace("T", " "): n for run_id, finished, _, _, n in runs}
    status = run.get(History).status
    return Stack(
        bar_picture("Sessions that differed, run by run", drift) if drift else None,
        Details("migration_status", Table([{"column": key, "value": value} for key, value in status.items()])),
    )


def show_verdict(run: Run) -> Shown:
    """Go or no-go, with the reasons."""
    if run.failure and run.results.get(Reconciliation) is None:
        return report.skipped(run)
    lines = Steps(verdict(run))
    if lines.blocked:
        return Stack(Notice("warning", "No-go: keep writing both stores"), lines)
    return Stack(Notice("good", "Go: dual writing may end"), lines)


def summarize(run: Run) -> dict[str, object]:
    """The summary of a validation; of one that failed as far as it came."""
    health, found = run.results.get(Health), run.results.get(Reconciliation)
    compared = run.results.get(Verified)
    validation = health.report if health else ValidationReport()
    if compared:
        validation = replace(validation, values_compared=compared.report.values_compared)
    lines = verdict(run) if found else []
    outcome = "failed" if run.failure else "held" if found and (found.held or found.differences) else "ok"
    return {
        "outcome": outcome,
        "dry_run": True,
        "run_id": run.run_id,
        "ait42_home": shown_home(run),
        "errors": [error_line(run.failure, run.settings.redact, run.home.path)] if run.failure else [],
        "validation": validation.to_dict(),
        "reconciliation": {
            "equal": found.equal if found else 0,
            **{s: found.count(s) if found else 0 for s in ("different", "only_in_json", "only_in_database")},
            "held": found.held if found else 0,
            "consistency": round(found.consistency, 6) if found else 0.0,
        },
        "verdict": {
            "go": bool(lines) and all(line.kind == "good" for line in lines),
            "reasons": [line.title for line in lines if line.kind != "good"],
        },
    }


def show_summary(run: Run) -> None:
    """Show the outcome, carry the summary as JSON in this cell, and write it to `summary_path`."""
    content = summarize(run)
    write_summary(run, content)
    words = {"ok": "Sound, and alike", "held": "Sound, but not alike; see above"}
    shown = (
        report.failure(run)
        if run.failure
        else Notice("good" if content["outcome"] == "ok" else "warning", words[content["outcome"]])
    )
    display(shown)
    display({"application/json": content, "text/plain": str(Badge("info", content["outcome"]))}, raw=True)
