"""The notebook's answers: each function shows what one step of a run found, or says why it did not run.

Under `redact` (the default) only ids, hashes, counts, times and fixed codes are shown.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from IPython.display import display

from ait42nb.backup import BackedUp
from ait42nb.check import KEYS, Checked
from ait42nb.display import Code, Details, Notice, Shown, Stack, Table, size
from ait42nb.inventory import Inventory
from ait42nb.mapping import Mapped
from ait42nb.pictures import flow_picture
from ait42nb.publish import Published
from ait42nb.read import Documents
from ait42nb.reconcile import KINDS, PLACES
from ait42nb.resolve import Resolved
from ait42nb.stage import WORDS, Staged
from ait42nb.summary import ASIDE, read_summary, stats, summarize, write_summary
from ait42nb.verify import Verified

if TYPE_CHECKING:
    from ait42nb.pipeline import Run

__all__ = ["read_summary"]

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
}

STATES = {
    "read": "read",
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
}


def opening(run: Run) -> Shown:
    """What this run is going to do."""
    if run.failure:
        return failure(run)
    if run.settings.dry_run:
        return Notice(
            "dry_run",
            "Nothing will be written",
            "This run does everything but publish, and reports the exact effect. Set dry_run = False to migrate.",
        )
    return Notice("info", "This run will publish", "A backup comes first; nothing is published that is not proven.")


def inventory(run: Run) -> Shown:
    """What files there are."""
    if run.results.get(Inventory) is None:
        return skipped(run)
    files = run.get(Inventory).files
    rows = [
        {"file": Code(f.source_path), "state": STATES[f.state], "size": size(f.size_bytes), "detail": f.detail or ""}
        for f in files
    ]
    total = sum(f.size_bytes for f in files)
    caption = f"{len(files)} files, {size(total)}"
    columns = ["file", "state", "size", "detail"]
    return Table(rows, columns, caption=caption, right={"size"}, empty="There are no session files.")


def workspaces(run: Run) -> Shown:
    """Which folder each file belongs to, and how that is known."""
    if run.results.get(Mapped) is None:
        return skipped(run)
    origins = {"given": "was given", "worktree": "a worktree path in the file", "search": "search_roots", None: ""}
    rows = [
        {
            "hash": Code(w.workspace_hash),
            "workspace": Code(_private(run, w.workspace_path)) if w.workspace_path else "",
            "known from": origins[w.origin],
            "exists here": w.exists_here,
            "state": STATES[w.state],
        }
        for w in run.get(Mapped).workspaces
    ]
    unmapped = run.get(Mapped).unmapped
    notice = None
    if unmapped:
        notice = Notice(
            "warning",
            f"{len(unmapped)} of {len(rows)} workspaces are not known",
            f'Their sessions are held back. {REMEDIES["unmapped_workspace"]}: {{"hash": "/path/of/the/workspace"}}.',
        )
    columns = ["hash", "workspace", "known from", "exists here", "state"]
    return Stack(Table(rows, columns, caption="Workspaces", empty="No file was read."), notice)


def records(run: Run) -> Shown:
    """What the files hold, and which rules are broken."""
    if run.results.get(Checked) is None:
        return skipped(run)
    checked = run.get(Checked)
    odd = [file for file, reading in run.get(Documents).readings.items() if reading.state != "read"]
    text = f"{checked.looked_at:,} records were looked at one by one, {checked.held:,} of them break a rule."
    rules = [{"rule": Code(reason), "times": n, "remedy": REMEDIES[reason]} for reason, n in checked.violations.items()]
    table = Table(rules, ["rule", "times", "remedy"], caption="Broken rules") if rules else None
    notice = Notice("warning", f"{len(odd)} files are no array of sessions", "They are kept whole; see below.") if odd else None
    return Stack(text, table, notice)


def effect(run: Run) -> Shown:
    """What becomes of every record."""
    if run.results.get(Resolved) is None or run.results.get(Staged) is None:
        return skipped(run)
    resolved = run.get(Resolved)
    rows = [
        {"what": "sessions that go into the database", "records": resolved.accepted},
        {"what": "sessions that stand aside for another of the same id", "records": resolved.shadowed},
        {"what": "sessions that are held back", "records": resolved.held},
        {"what": "messages that get another id, because theirs is taken", "records": resolved.renamed_messages},
    ]
    warnings = [{"warning": Code(w), "times": n, "what": WARNINGS[w]} for w, n in resolved.warnings.items()]
    return Stack(
        Table(rows, caption="What becomes of the records"),
        Table(warnings, ["warning", "times", "what"], caption="Taken in spite of") if warnings else None,
    )


def proof(run: Run) -> Shown:
    """That every stored value is what stands in its source."""
    if run.results.get(Verified) is None:
        return skipped(run)
    verified = run.get(Verified)
    report = verified.report
    rows = [
        {"workspace": Code(_private(run, path)), "sessions": s, "instances": i, "messages": m}
        for path, s, i, m in verified.workspaces
    ]
    views = Table(rows, ["workspace", "sessions", "instances", "messages"], caption="Through the editor's eyes", total=True)
    title = f"{report.values_compared:,} values compared with their source, {report.values_different:,} differ"
    return Stack(Notice("good" if report.is_valid else "failed", title), Details("Validation", Code(str(report))), views)


def books(run: Run) -> Shown:
    """Where every record went."""
    if run.results.get(Verified) is None:
        return skipped(run)
    balance = run.get(Verified).balance
    columns = ["source", *PLACES]
    table = Table(
        [{"": kind, **balance.total[kind]} for kind in KINDS],
        {"": "", **{c: c.replace("_", " ") for c in columns}},
        caption="The books: source = everything to the right of it",
    )
    files = Table(
        [{"file": Code(path), "kind": kind, **row} for path, kinds in balance.files.items() for kind, row in kinds.items()],
        {"file": "file", "kind": "kind", **{c: c.replace("_", " ") for c in columns}},
        limit=300,
    )
    return Stack(flow_picture(balance.total), table, Details("A file at a time", files))


def held(run: Run) -> Shown:
    """Each record that is not in the main tables, why, and what to do about it."""
    if run.results.get(Staged) is None:
        return skipped(run)
    staged = run.get(Staged)
    aside = {WORDS[reason]: n for reason, n in staged.rejects.items() if reason in ASIDE}
    shadows = Table(
        [{"records": n, "why": words} for words, n in aside.items()],
        ["records", "why"],
        caption="Stand aside for another record of the same id",
    )
    rows = [
        {
            "record": Code(f"{h.source_path} {h.pointer}".strip()),
            "id": Code(h.key) if h.key else "",
            "why": _violations(run, h.detail),
            "what to do": REMEDIES[h.reason],
        }
        for h in staged.held
    ]
    columns = ["record", "id", "why", "what to do"]
    if not rows and not aside:
        return Notice("good", "Every record is in the main tables")
    return Stack(
        Table(rows, columns, caption="Held back, whole, in migration_rejects", limit=200) if rows else None,
        shadows if aside else None,
    )


def _violations(run: Run, detail: str) -> Shown:
    """Every violation of a record with its pointer; without the words, which may quote values, under `redact`."""
    told = []
    for violation in json.loads(detail):
        reason, pointer, words = violation["reason"], violation["pointer"], violation["detail"]
        if run.settings.redact:
            # A key that the format does not know may be anybody's text.
            known = violation.get("key") is None or violation["key"] in KEYS.get(violation["entity"], ())
            pointer, words = pointer if known else pointer.rpartition("/")[0], WORDS.get(reason, "")
        told.append(f"{reason} {pointer}: {words}" if pointer and words else f"{reason}: {words}" if words else f"{reason} {pointer}")
    return Stack(*told)


def published(run: Run) -> Shown:
    """What was written."""
    if run.results.get(Published) is None:
        return skipped(run)
    backup = run.results.get(BackedUp)
    if not run.get(Published).written:
        return Notice("dry_run", "Nothing was written", "Set dry_run = False and run again to publish exactly this.")
    where = "sessions.db in the home" if run.settings.redact else str(run.get(Published).database)
    return Notice("good", "The database is published", Stack(where, str(backup) if backup else None))


def summary(run: Run) -> None:
    """Show the summary, carry it as JSON in this cell, and write it to `summary_path`."""
    content = summarize(run)
    write_summary(run, content)
    shown = Stack(_verdict(run, content["outcome"]), Code(str(stats(run))))
    display(
        {"text/plain": shown.text(), "text/html": str(shown.html()), "application/json": content},
        raw=True,
        metadata={"application/json": {"expanded": False}},
    )


def _verdict(run: Run, outcome: str) -> Shown:
    if outcome == "failed":
        return failure(run)
    if outcome == "held":
        return Notice("warning", "Complete, but something is held back", "See above what it is, why, and what to do.")
    return Notice("good", "Complete: nothing is held back")


def failure(run: Run) -> Shown:
    """Why the run failed, in one sentence."""
    error = run.failure
    if run.settings.redact and error.__cause__ is not None:
        where = type(error).__name__
    else:
        where = str(error.where)
    where = where.replace(str(run.home.path), "the home") if run.settings.redact else where
    return Notice("failed", f"{where}: {error.problem}", f"{error.remedy}.")


def skipped(run: Run) -> Shown:
    """For a step that did not run, or did not come to its end."""
    if run.failure and not run.told:
        run.told = True
        return failure(run)
    return Notice("info", "Skipped", "An earlier step failed; see above.")


def _private(run: Run, path: str) -> str:
    return "(redacted)" if run.settings.redact else path
