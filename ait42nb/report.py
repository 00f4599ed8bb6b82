"""The notebook's answers: each function shows what one step of a run found, or says why it did not run.

Under `redact` (the default) only ids, hashes, counts, times and fixed codes are shown.
"""

from __future__ import annotations

import json
import re
import sqlite3
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from typing import TYPE_CHECKING

from IPython.display import display

from ait42nb import database
from ait42nb.backup import BackedUp
from ait42nb.check import KEYS, Checked
from ait42nb.display import Code, Details, Notice, Pre, Shown, Stack, Table, counted, size
from ait42nb.engine import sql
from ait42nb.inventory import Inventory
from ait42nb.mapping import Mapped, digest
from ait42nb.merge import Reconciled
from ait42nb.pictures import bar_picture, flow_picture, history_picture
from ait42nb.publish import Published
from ait42nb.read import Documents
from ait42nb.reconcile import KINDS, PLACES
from ait42nb.redact import HIDDEN, error_words, file_hash, hidden, source_path
from ait42nb.resolve import Resolved
from ait42nb.stage import ASIDE, WORDS, Reject, Staged
from ait42nb.stored import Stored
from ait42nb.summary import UNMAPPED, read_summary, stats, summarize, write_summary
from ait42nb.verify import Verified

if TYPE_CHECKING:
    from ait42nb.pipeline import Run

__all__ = ["read_summary"]

# The words of the format; any other may be anybody's text.
TYPES = ("competition", "ensemble", "debate")
STATUSES = ("idle", "running", "completed", "failed", "paused", "archived", "timeout")
ROLES = ("user", "assistant", "system")
RUNTIMES = ("claude", "codex", "gemini")

# So many rows of what did not go in are shown; a page stays light enough to open.
MOST = 2000

# What to do about each reason why a file or a record is not in the main tables.
REMEDIES = {
    "malformed": "Repair the text, or leave it: it is kept whole, and what is whole in it was taken",
    "not_an_array": "Nothing, if the editor did not write this file; it is kept whole",
    "invalid_utf8": "Convert the file to UTF-8; its bytes are kept whole",
    "unreadable": "Give yourself the right to read it (chmod u+r), or move away what is no file, and run again",
    "unstable": "Close the editor, or run again when it rests",
    "unmapped_workspace": "Say which folder it is, in workspace_mapping.json, and run again",
    "hash_mismatch": "Correct the folder in workspace_mapping.json, or take it as it is with accept_hash_mismatch",
    "not_an_object": "Remove what is no record from the file, and run again",
    "duplicate_key": "Remove the value that does not count, and run again",
    "missing_field": "Add the field, and run again",
    "wrong_type": "Correct the value, and run again",
    "out_of_range": "Correct the number, and run again",
    "invalid_status": "Set running, completed, failed or paused, and run again",
    "unrepresentable_text": "Remove the broken character, and run again",
    "duplicate_instance": "Give the instances numbers of their own, and run again",
    "shadowed_duplicate": "Nothing: the editor shows the first and never looks at the others",
    "superseded": "Nothing, if the newer one is right; move away the file that does not count, and run again",
    "conflict": "Read both versions; the one that is stored won value by value, by the later time",
    "deleted_in_database": "Nothing, if it was meant; change it in JSON and it comes in again",
}

STATES = {
    "read": "read",
    "unchanged": "as the last run left it",
    "empty": "no sessions",
    "mapped": "known",
    **WORDS,
}

# What accepted records were taken in spite of.
WARNINGS = {
    "unknown_type": "sessions of a type that the kit does not know",
    "unknown_role": "messages of a role that the kit does not know",
    "unknown_runtime": "instances of a runtime that the kit does not know",
    "unknown_instance_status": "instances of a status that the kit does not know",
    "invalid_timestamp": "times that are not RFC 3339, stored as they are",
    "exceeds_reader_type": "numbers that the editor's reader cannot hold, kept beside the row",
    "missing_list": "absent lists of instances or messages, taken as empty",
    "byte_order_mark": "files that begin with a byte order mark",
    "salvaged": "files that are no JSON, from which whole records were taken",
    "older_json": "sessions whose file is older than what is stored, which stays",
    "reinserted": "sessions that a person deleted, and that changed in JSON since: they are back",
}


# The same of a workspace, in a word.
KNOWN = {"mapped": "known", "unmapped_workspace": "not known", "hash_mismatch": "does not match"}

# How it is known which folder a file belongs to.
ORIGINS = {
    "given": "was given",
    "earlier": "is stored already",
    "worktree": "stands in the files",
    "search": "below search_roots",
    None: "",
}


def opening(run: Run) -> Shown:
    """What this run is going to do."""
    if run.failure:
        return skipped(run)
    if run.settings.dry_run:
        return Notice(
            "dry_run",
            "Nothing will be written",
            "This run does everything but publish, and reports the exact effect. Set dry_run = False to migrate.",
        )
    backup = "A backup comes first" if run.settings.backup else "No backup is made first"
    return Notice("info", "This run will publish", f"{backup}; nothing is published that is not proven.")


def inventory(run: Run) -> Shown:
    """What files there are, and whether there is a database."""
    if run.results.get(Inventory) is None or run.results.get(Stored) is None:
        return skipped(run)
    files = run.get(Inventory).files
    rows = [
        {
            "file": Code(source_path(f.source_path, run.settings.redact)),
            "state": STATES[f.state],
            "size": size(f.size_bytes),
            "detail": f.detail or "",
        }
        for f in files
    ]
    columns = ["file", "state", "size", *(["detail"] if any(row["detail"] for row in rows) else [])]
    caption = f"{counted(len(files), 'file')}, {size(sum(f.size_bytes for f in files))}"
    table = Table(rows, columns, caption=caption, right={"size"}, limit=200, empty="There are no session files.")
    kind = run.get(Stored).kind
    return Stack(
        table,
        f"There is {'no database yet' if kind == 'none' else 'a database: what is new is merged into it'}.",
        _left_alone(run),
    )


def _left_alone(run: Run) -> str | None:
    unchanged = len(run.get(Inventory).unchanged)
    if not unchanged:
        return None
    words = "is as the last run left it" if unchanged == 1 else "are as the last run left them"
    return f"{counted(unchanged, 'file')} {words}, in both stores, and not read again. reread = True reads all."


def workspaces(run: Run) -> Shown:
    """Which folder each file belongs to, how that is known, and what a person should look at."""
    if run.results.get(Mapped) is None:
        return skipped(run)
    mapped, redact = run.get(Mapped), run.settings.redact
    rows = [
        {
            "file": Code(file_hash(w.workspace_hash, redact)),
            "workspace": Code(hidden(w.workspace_path, redact)) if w.workspace_path else "",
            "its path": ORIGINS[w.origin],
            "exists here": w.exists_here if w.workspace_path else "",
            "state": KNOWN[w.state],
        }
        for w in mapped.workspaces
    ]
    columns = ["file", *([] if redact else ["workspace"]), "its path", "exists here", "state"]
    missing = sum(w.state == "mapped" and not w.exists_here for w in mapped.workspaces)
    words = f"Not on this machine: {missing:,} of {len(rows):,}. What is migrated is the path that the hash proves."
    return Stack(
        Table(rows, columns, caption=counted(len(rows), "workspace"), limit=200, empty="No file was read."),
        words if missing else None,
        *(_split(group, redact) for group in mapped.split),
        _unmapped(run) if mapped.unmapped else None,
    )


def _split(group: Iterable[object], redact: bool) -> Shown:
    """One folder, several hashes: the editor shows the history of one spelling at a time."""
    named = [w.workspace_hash if redact else f"{w.workspace_hash} ({w.workspace_path})" for w in group]
    return Notice(
        "info",
        f"{len(named)} files belong to one folder, whose path was written in different ways",
        f"{'; '.join(named)}. Each keeps its spelling; the editor shows the history of the one that it asks for.",
    )


def _unmapped(run: Run) -> Shown:
    mapped, given = run.get(Mapped), run.settings.workspace_mapping
    where = "the mapping that workspace_mapping names" if given else "workspace_mapping.json in the home"
    return Notice(
        "warning",
        f"{len(mapped.unmapped):,} of {counted(len(mapped.workspaces), 'workspace')} are not known",
        f'Their sessions are held back. Name the folder of each in {where}, as {{"hash": "/path"}}, and run again.',
    )


def records(run: Run) -> Shown:
    """What the files hold, and which rules are broken."""
    if run.results.get(Checked) is None:
        return skipped(run)
    checked = run.get(Checked)
    odd = sum(reading.state != "read" for reading in run.get(Documents).readings.values())
    rules = [{"rule": Code(reason), "times": n, "remedy": REMEDIES[reason]} for reason, n in checked.violations.items()]
    if not rules and not odd:
        return Notice("good", "Every record is in order")
    words = f"{counted(checked.held, 'record')} of {checked.looked_at:,} that were looked at one by one break a rule."
    return Stack(
        words if rules else None,
        Table(rows=rules, columns=["rule", "times", "remedy"], caption="Broken rules") if rules else None,
        _odd_files(odd) if odd else None,
    )


def _odd_files(number: int) -> Shown:
    return Notice(
        "warning",
        f"{counted(number, 'file is', 'files are')} not as the editor writes them",
        "No JSON, or no array of sessions: kept whole, and listed below.",
    )


def effect(run: Run) -> Shown:
    """What becomes of every record."""
    if run.results.get(Resolved) is None or run.results.get(Staged) is None:
        return skipped(run)
    resolved = run.get(Resolved)
    rows = [
        {"what": "sessions that are in order", "records": resolved.accepted},
        {"what": "sessions that stand aside for another of the same id", "records": resolved.shadowed},
        {"what": "sessions that are held back", "records": resolved.held},
        {"what": "messages that get another id, because theirs is taken", "records": resolved.renamed_messages},
    ]
    return Stack(Table(rows, caption="What becomes of the records"), _warnings(resolved.warnings))


def _warnings(warnings: dict[str, int]) -> Shown | None:
    rows = [{"warning": Code(warning), "times": n, "what": WARNINGS[warning]} for warning, n in warnings.items() if n]
    return Table(rows, ["warning", "times", "what"], caption="Taken, with a warning") if rows else None


def history(run: Run) -> Shown:
    """What the files tell: the sessions over time, by workspace and by runtime."""
    if run.results.get(Staged) is None:
        return skipped(run)
    # What is not read again is not in the staging file; and by publishing that became the database.
    staged = run.get(Staged).path
    path = run.home.database if run.get(Inventory).unchanged or not staged.exists() else staged
    with closing(database.open_readonly(path)) as connection:
        return draw_history(connection, run.settings.redact)


def draw_history(connection: sqlite3.Connection, redact: bool, workspace_path: str | None = None) -> Shown:
    """The sessions of a database over time by type and by status, the workspaces, the runtimes."""
    chosen = {"workspace_path": workspace_path}
    months = connection.execute(sql("explore/by_month"), chosen).fetchall()
    if not months:
        return Notice("info", "There are no sessions")
    workspaces = connection.execute(sql("explore/by_workspace"), chosen).fetchall()
    runtimes: Counter[str] = Counter()
    for runtime, count in connection.execute(sql("explore/by_runtime"), chosen):
        runtimes["not told" if runtime is None else fixed(runtime, RUNTIMES, redact)] += count
    sizes = {digest(path) if redact else path: sessions for path, sessions, *_ in workspaces}
    by_type = [(month, fixed(kind, TYPES, redact), n) for month, kind, _, n in months]
    sessions, instances, messages = (sum(row[place] for row in workspaces) for place in (1, 2, 3))
    words = f"{counted(sessions, 'session')}, {counted(instances, 'instance')} and {counted(messages, 'message')}"
    return Stack(
        f"{words} in {counted(len(workspaces), 'workspace')}.",
        history_picture("Sessions by month and type", by_type),
        history_picture("Sessions by month and status", [(month, status, n) for month, _, status, n in months]),
        bar_picture("Sessions by workspace", sizes, limit=12, ends=True) if workspace_path is None else None,
        bar_picture("Instances by runtime", dict(runtimes.most_common()), limit=8) if runtimes else None,
    )


def proof(run: Run) -> Shown:
    """That every stored value is what stands in its source."""
    if run.results.get(Verified) is None:
        return skipped(run)
    verified, redact = run.get(Verified), run.settings.redact
    report = verified.report
    rows = [
        {"workspace": Code(digest(path) if redact else path), "sessions": s, "instances": i, "messages": m}
        for path, s, i, m in verified.workspaces
    ]
    columns = ["workspace", "sessions", "instances", "messages"]
    views = Table(rows, columns, caption="Through the editor's eyes", total=True, limit=200)
    if run.get(Inventory).nothing_changed:
        return Notice("good", "Nothing is staged, so there is nothing to prove", _left_alone(run))
    title = f"{report.values_compared:,} values compared with their source, {report.values_different:,} differ"
    return Stack(
        Notice("good" if report.is_valid else "failed", title, _left_alone(run)),
        views,
        Details("Validation", Pre(str(report))),
    )


def books(run: Run) -> Shown:
    """Where every record went, and what a merge does to what is stored."""
    reconciled = run.results.get(Reconciled)
    if reconciled is None:
        return skipped(run)
    balance, merged = reconciled.balance, reconciled.effect
    columns = {c: c.replace("_", " ") for c in ("source", *PLACES)}
    table = Table(
        [{"": kind, **balance.total[kind]} for kind in KINDS],
        {"": "", **columns},
        caption="The books: source = everything to the right of it",
    )
    rows = [
        {"file": Code(source_path(path, run.settings.redact)), "kind": kind, **kinds[kind]}
        for path, kinds in balance.files.items()
        for kind in KINDS
    ]
    files = Table(rows, {"file": "file", "kind": "kind", **columns}, limit=MOST)
    conflicts = Notice(
        "warning",
        f"{counted(len(merged.conflicts), 'session')} changed in both places",
        "The later change counts, value by value; the version that lost is kept whole in migration_rejects.",
    )
    return Stack(
        flow_picture(balance.total),
        table,
        conflicts if merged.conflicts else None,
        _warnings(merged.warnings),
        Details("A file at a time", files),
    )


def held(run: Run) -> Shown:
    """What is not in the main tables, why, and what to do about it: a file whose sessions are all held is one row."""
    staged, reconciled = run.results.get(Staged), run.results.get(Reconciled)
    if staged is None:
        return skipped(run)
    rejects = reconciled.effect.rejects if reconciled else staged.rejects
    if not rejects:
        return Notice("good", "Every record is in the main tables")
    aside = [one for one in rejects if one.reason in ASIDE]
    back = [one for one in rejects if one.reason not in ASIDE]
    # Of a file that may not go in, the sessions are held for the file's reason.
    inside: dict[str, list[Reject]] = {one.source_path: [] for one in back if one.reason in UNMAPPED}
    for one in back:
        if one.entity != "file" and one.source_path in inside:
            inside[one.source_path].append(one)
    rows = [
        _held_row(run, one, inside.get(one.source_path, ()) if one.entity == "file" else ())
        for one in back
        if one.entity == "file" or one.source_path not in inside
    ]
    each = [_held_row(run, one) for listed in inside.values() for one in listed]
    return Stack(
        Table(rows, caption="Held back, whole, in migration_rejects", limit=MOST) if rows else None,
        _one_by_one(f"{counted(len(each), 'session')} in these files", each) if each else None,
        _aside(run, aside) if aside else None,
    )


def _one_by_one(what: str, rows: Sequence[Mapping[str, object]]) -> Shown:
    return Details(f"{what}, one by one", Table(rows, limit=MOST))


def _held_row(run: Run, one: Reject, inside: Iterable[Reject] = ()) -> dict[str, object]:
    return {
        "record": _record(run, one),
        "holds": _holds(one, *inside),
        "why": Stack(*_violations(run, one), close=True),
        "what to do": Stack(*dict.fromkeys(REMEDIES[told["reason"]] for told in json.loads(one.detail)), close=True),
    }


def _aside(run: Run, aside: Sequence[Reject]) -> Shown:
    """Where another version is in the main tables, or was deleted from them: by reason, and one by one."""
    reasons = Counter(one.reason for one in aside)
    total = [{"records": n, "why": WORDS[reason], "what to do": REMEDIES[reason]} for reason, n in reasons.items()]
    rows = [
        {
            "record": _record(run, one),
            "holds": _holds(one),
            "why": Code(one.reason),
            "in the main tables": Code(_place(run, *one.stored.rsplit(" ", 1))) if one.stored else "",
        }
        for one in aside
    ]
    return Stack(
        Table(total, caption="Stand aside, whole, in migration_rejects"),
        _one_by_one(counted(len(rows), "record that stands aside", "records that stand aside"), rows),
    )


def _record(run: Run, one: Reject) -> Shown:
    where = Code(_place(run, one.source_path, "as the database had it" if one.pointer is None else one.pointer))
    return Stack(where, Code(one.key), close=True) if one.key else where


def _place(run: Run, path: str, pointer: str) -> str:
    return f"{source_path(path, run.settings.redact)} {pointer}".strip()


def _holds(one: Reject, *inside: Reject) -> str:
    counts = {"session": len(inside)}
    counts |= {kind: sum(getattr(each, f"{kind}s") for each in (one, *inside)) for kind in ("instance", "message")}
    return ", ".join(counted(n, kind) for kind, n in counts.items() if n)


def _violations(run: Run, one: Reject) -> Iterator[str]:
    """Every violation of a record with its pointer; without the words, which may quote values, under `redact`."""
    for violation in json.loads(one.detail):
        reason, pointer, words = violation["reason"], violation["pointer"], violation["detail"]
        if run.settings.redact:
            # A key that the format does not know may be anybody's text.
            known = violation.get("key") is None or violation["key"] in KEYS.get(violation["entity"], ())
            pointer, words = pointer if known else pointer.rpartition("/")[0], WORDS.get(reason, "")
        place = pointer.removeprefix(one.pointer)
        yield f"{reason} {place}".strip() + (f": {words}" if words else "")


def published(run: Run) -> Shown:
    """What was written."""
    if run.results.get(Published) is None:
        return skipped(run)
    backup = run.results.get(BackedUp)
    if not run.get(Published).written:
        return Notice("dry_run", "Nothing was written", "Set dry_run = False and run again to publish exactly this.")
    where = "sessions.db in the home" if run.settings.redact else str(run.get(Published).database)
    return Notice("good", "The database is published", Stack(where, str(backup) if backup else None, close=True))


def summary(run: Run) -> None:
    """Show the summary, carry it as JSON in this cell, and write it to `summary_path`."""
    content = summarize(run)
    write_summary(run, content)
    results, _, errors = str(stats(run)).partition("\n\n")
    show_summary(
        Stack(_verdict(run, content["outcome"]), Pre(results), Details("Errors", Pre(errors)) if errors else None),
        content,
    )


def show_summary(shown: Shown, content: dict[str, object]) -> None:
    """The verdict for people, and by itself the JSON for programs: JupyterLab would show the JSON instead."""
    display(shown)
    words = ", ".join(f"{name}: {content[name]}" for name in ("outcome", "dry_run", "run_id"))
    bundle = {"text/plain": words, "application/json": content}
    display(bundle, raw=True, metadata={"application/json": {"expanded": False}})


def _verdict(run: Run, outcome: str) -> Shown:
    if outcome == "failed":
        return failure(run)
    if outcome == "held":
        return Notice("warning", "Complete, but something is held back", "See above what it is, why, and what to do.")
    return Notice("good", "Complete: nothing is held back")


def failure(run: Run) -> Shown:
    """Why the run failed, in one sentence."""
    where, problem, remedy = error_words(run.failure, run.settings.redact, run.home.path)
    return Notice("failed", f"{where}: {problem}", f"{remedy}.")


def skipped(run: Run) -> Shown:
    """For a step that did not run, or did not come to its end."""
    if run.failure and not run.told:
        run.told = True
        return failure(run)
    return Notice("info", "Skipped", "An earlier step failed; see above.")


# What may be shown of a record


def fixed(word: str, known: Iterable[str], redact: bool) -> str:
    """A word of the format; under `redact` any other, which may be anybody's text, is `other`."""
    return word if not redact or not word or word in known else "other"


_MOMENT = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2})[Tt ]([0-9]{2}:[0-9]{2})(:[0-9]{2})?[0-9.]*(?:[Zz]|[-+][0-9:]{5})?")


def moment(time: str | None, redact: bool) -> str:
    """A time as people read it; what is none is shown as it is, if that is allowed."""
    if found := _MOMENT.fullmatch(time or ""):
        return f"{found[1]} {found[2]}"
    return HIDDEN if time and redact else time or ""


def day(time: str, redact: bool) -> str:
    return moment(time, redact).partition(" ")[0]
