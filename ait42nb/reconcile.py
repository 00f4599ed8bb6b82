"""The books: source = inserted + updated + unchanged + database_newer + shadowed + held, per file and in total."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ait42nb import engine as duck
from ait42nb.errors import VerificationFailed
from ait42nb.stage import Staged

if TYPE_CHECKING:
    from ait42nb.pipeline import Run

KINDS = ("sessions", "instances", "messages")
PLACES = ("inserted", "updated", "unchanged", "database_newer", "shadowed", "held")


@dataclass(frozen=True)
class Balance:
    """`files[source_path][kind]` is {source, inserted, updated, unchanged, database_newer, shadowed, held}."""

    files: dict[str, dict[str, dict[str, int]]]

    @property
    def total(self) -> dict[str, dict[str, int]]:
        return {
            kind: {column: sum(file[kind][column] for file in self.files.values()) for column in ("source", *PLACES)}
            for kind in KINDS
        }

    def merged(self, outcomes: Mapping[tuple[str, str, str], int]) -> Balance:
        """The books of a merge: of what staging holds, the rows with another outcome than unchanged.

        outcomes: (source_path, kind, outcome) -> rows
        """
        files = {
            path: {kind: {**row, "unchanged": row["inserted"], "inserted": 0} for kind, row in kinds.items()}
            for path, kinds in self.files.items()
        }
        for (path, kind, outcome), rows in outcomes.items():
            files[path][kind][outcome] += rows
            files[path][kind]["unchanged"] -= rows
        return Balance(files)

    def settled(self, source_path: str, kept: Mapping[tuple[str, str], int]) -> dict[str, dict[str, int]]:
        """A file's books as the next run will find them, if neither store changes until then.

        kept: (source_path, kind) -> rows in which the database has something else than JSON, and keeps it
        """
        books = {}
        for kind, row in self.files.get(source_path, {}).items():
            newer = kept.get((source_path, kind), 0)
            stored = row["source"] - row["shadowed"] - row["held"]
            books[kind] = row | dict.fromkeys(("inserted", "updated"), 0)
            books[kind] |= {"unchanged": stored - newer, "database_newer": newer}
        return books

    @property
    def gaps(self) -> list[tuple[str, str, int]]:
        """Where the books do not balance: file, kind, and by how much."""
        gaps = []
        for source_path, kinds in self.files.items():
            for kind, row in kinds.items():
                gap = row["source"] - sum(row[place] for place in PLACES)
                if gap or min(row.values()) < 0:
                    gaps.append((source_path, kind, gap))
        return gaps


def balance(run: Run) -> Balance:
    """Keep the books of the staging file: the left side counted when reading, the right side in what was written.

    Reads: records, and the staging file
    Makes: source_counts, balance
    """
    duck.make(run.engine, "reconcile/source_counts")
    with duck.attached(run.engine, run.get(Staged).path, "staging"):
        duck.make(run.engine, "reconcile/balance")
    files: dict[str, dict[str, dict[str, int]]] = {}
    for source_path, kind, source, inserted, shadowed, held in run.engine.table("balance").fetchall():
        row = {"source": source, **dict.fromkeys(PLACES, 0)}
        row |= {"inserted": inserted, "shadowed": int(shadowed), "held": held}
        files.setdefault(source_path, {})[kind] = row
    return Balance(files)


def require_balance(books: Balance, where: Path) -> None:
    """Raises: VerificationFailed, when a record is unaccounted for (invariant 2)."""
    if books.gaps:
        source_path, kind, gap = books.gaps[0]
        raise VerificationFailed(
            where,
            f"the books do not balance: {gap:+} {kind} of {source_path} are unaccounted for",
            "Nothing was published; please report this",
        )
