"""The run in numbers: what the summary cell, `summary_path` and `migration_runs` hold."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from ait42nb import __version__
from ait42nb.database import ValidationReport
from ait42nb.errors import SourceError
from ait42nb.inventory import Inventory
from ait42nb.merge import Effect, Reconciled
from ait42nb.reconcile import KINDS, PLACES
from ait42nb.redact import error_line, hidden, source_path
from ait42nb.resolve import Resolved
from ait42nb.stage import Staged
from ait42nb.verify import Verified

if TYPE_CHECKING:
    from ait42nb.pipeline import Run

# Reasons of files that read well.
UNMAPPED = frozenset({"unmapped_workspace", "hash_mismatch"})


class Stats(dict):
    """The guide's statistics: files_processed, sessions_migrated, instances_migrated, messages_migrated, errors.

    `str()` is the guide's block of text, line for line.
    """

    def __str__(self) -> str:
        lines = [
            "=== Migration Results ===",
            f"Files processed:     {self['files_processed']}",
            f"Sessions migrated:   {self['sessions_migrated']}",
            f"Instances migrated:  {self['instances_migrated']}",
            f"Messages migrated:   {self['messages_migrated']}",
            f"Errors:              {len(self['errors'])}",
        ]
        if self["errors"]:
            lines += ["", "=== Errors ===", *(f"  - {error}" for error in self["errors"])]
        return "\n".join(lines)


def outcome(run: Run, reconciled: Reconciled | None = None) -> str:
    """ok, held (something is held back or in conflict, so a person should look) or failed."""
    reconciled = reconciled or run.results.get(Reconciled)
    if run.failure:
        return "failed"
    staged = run.results.get(Staged)
    return "held" if staged and (staged.held or (reconciled and reconciled.effect.conflicts)) else "ok"


def summarize(run: Run, reconciled: Reconciled | None = None) -> dict[str, object]:
    """The summary, whose keys others rely on; of a run that failed as far as it came.

    reconciled: what the run is just doing, before it is among its results
    """
    reconciled = reconciled or run.results.get(Reconciled)
    staged, verified = run.results.get(Staged), run.results.get(Verified)
    resolved, inventory = run.results.get(Resolved), run.results.get(Inventory)
    files = inventory.files if inventory else ()
    refused = [held.reason for held in staged.held if held.entity == "file"] if staged else []
    empty_books = {kind: dict.fromkeys(("source", *PLACES), 0) for kind in KINDS}
    books = reconciled.balance.total if reconciled else empty_books
    warnings = Counter(resolved.warnings if resolved else {})
    warnings.update(reconciled.effect.warnings if reconciled else {})
    return {
        "outcome": outcome(run, reconciled),
        "dry_run": run.settings.dry_run,
        "run_id": run.run_id,
        "kit_version": __version__,
        "ait42_home": shown_home(run),
        "stats": stats(run, reconciled),
        "balance": books
        | {
            "files": {
                "found": len(files),
                "empty": sum(file.state == "empty" for file in files),
                "held": sum(reason not in UNMAPPED for reason in refused),
                "unmapped": sum(reason in UNMAPPED for reason in refused),
            }
        },
        "rejects": dict(sorted(Counter(one.reason for one in reconciled.effect.rejects).items())) if reconciled else {},
        "warnings": {reason: n for reason, n in sorted(warnings.items()) if n},
        "validation": (verified.report if verified else ValidationReport()).to_dict(),
        "timings": {stage: round(seconds, 3) for stage, seconds in run.timings.items()},
    }


def stats(run: Run, reconciled: Reconciled | None = None) -> Stats:
    inventory, staged = run.results.get(Inventory), run.results.get(Staged)
    books = _books(run, reconciled or run.results.get(Reconciled))
    migrated = {f"{kind}_migrated": books[kind]["inserted"] + books[kind]["updated"] if books else 0 for kind in KINDS}
    redact = run.settings.redact
    held = staged.held if staged else ()
    errors = [str(one._replace(source_path=source_path(one.source_path, redact))) for one in held]
    if run.failure:
        errors.append(error_line(run.failure, redact, run.home.path))
    return Stats(
        files_processed=sum(file.state == "read" for file in inventory.files) if inventory else 0,
        **migrated,
        errors=errors,
    )


def _books(run: Run, reconciled: Reconciled | None) -> dict[str, dict[str, int]]:
    """The books in total: of a run that failed only with what is in the database by then, not with what was planned."""
    if not run.failure:
        return reconciled.balance.total if reconciled else {}
    verified, effect = run.results.get(Verified), run.results.get(Effect, Effect())
    return verified.balance.merged(effect.done).total if verified else {}


def shown_home(run: Run) -> str:
    return hidden(str(run.home.path), run.settings.redact)


def write_summary(run: Run, summary: dict[str, object]) -> None:
    """Write the summary where `summary_path` says, if it says so.

    Raises: SourceError, when that cannot be written
    """
    if not run.settings.summary_path:
        return
    path = Path(run.settings.summary_path).expanduser()
    try:
        path.write_text(json.dumps(summary, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    except OSError as error:
        raise SourceError(path, "the summary cannot be written there", "Give a writable summary_path") from error


def read_summary(path: str | Path) -> dict[str, object]:
    """The summary that an executed notebook carries, in the cell that is tagged `summary`.

    Raises: SourceError, when it is no notebook, or has no such cell
    """
    try:
        cells = json.loads(Path(path).read_text(encoding="utf-8"))["cells"]
        return next(
            output["data"]["application/json"]
            for cell in cells
            if "summary" in cell["metadata"].get("tags", ())
            for output in cell["outputs"]
            if "application/json" in output.get("data", ())
        )
    except (OSError, ValueError, KeyError, TypeError, StopIteration) as error:
        raise SourceError(path, "holds no summary", "Give a notebook that was executed by papermill") from error
