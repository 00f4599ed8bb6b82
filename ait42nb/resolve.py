"""Who goes in under which id: records that share an id, messages that share an id, instances that get a row."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ait42nb import engine as duck
from ait42nb.inventory import Inventory
from ait42nb.mapping import Mapped
from ait42nb.read import Documents
from ait42nb.stored import Stored

if TYPE_CHECKING:
    from ait42nb.pipeline import Run

# The tables in which it is worked out which records go in, and under which ids their messages.
_RECORDS = ("stored_sources", "contenders", "verdicts", "accepted")
_IDS = ("repeated_ids", "stored_renames", "ambiguous_ids", "stored_messages", "kept_ids", "doubtful_ids", "wanted_ids")


@dataclass(frozen=True)
class Resolved:
    """How many records are accepted, shadowed and held, how many messages are stored under another id, and what the
    accepted ones were taken in spite of: reason -> count.
    """

    accepted: int
    shadowed: int
    held: int
    renamed_messages: int
    warnings: dict[str, int]


def resolve_records(run: Run) -> Resolved:
    """Decide what becomes of every record.

    Reads:   records, sessions, instances, messages
    Makes:   workspaces, contenders, verdicts, accepted, renamed_messages
    Returns: counts
    Rule:    the same input gives the same ids, and no message ever overwrites another
    """
    engine, mapped = run.engine, run.get(Mapped)
    files = []
    for file in run.get(Inventory).readable:
        workspace = mapped[file.workspace_hash]
        files.append(
            {
                "file_no": file.file_no,
                "source_path": file.source_path,
                "state": workspace.state,
                "workspace_path": workspace.workspace_path,
                "exists_here": workspace.exists_here,
            }
        )
    duck.make(engine, "resolve/workspaces", files=json.dumps(files))
    with duck.attached(engine, run.get(Stored).path, "stored"):
        for table in (*_RECORDS, *_IDS):
            duck.make(engine, f"resolve/{table}")
        _choose_ids(engine)
    renamed = duck.make(engine, "resolve/renamed_messages")
    verdicts = dict(engine.execute("select verdict, count(*) from verdicts group by verdict").fetchall())
    return Resolved(
        verdicts.get("accepted", 0), verdicts.get("shadowed", 0), verdicts.get("held", 0), renamed, _warnings(run)
    )


def _warnings(run: Run) -> dict[str, int]:
    readings = run.get(Documents).readings.values()
    warnings = dict(duck.rows(run.engine, "resolve/warnings"))
    warnings["byte_order_mark"] = sum(file.bom for file in run.get(Inventory).files)
    warnings["salvaged"] = sum(reading.salvaged for reading in readings)
    return {reason: n for reason, n in warnings.items() if n}


def _choose_ids(engine: duck.Engine) -> None:
    """Where a derived id is taken, append `~` until it is not; in turn, as each may take what a later one wants."""
    engine.execute("create or replace table chosen (file_no integer, ordinal bigint, position bigint, id varchar)")
    (contested,) = duck.rows(engine, "resolve/contested_ids")
    if not contested[0]:
        return
    # A derived id has an @ in it, so only those that have one can be in its way.
    taken = {id_ for (id_,) in duck.rows(engine, "resolve/taken_ids")}
    for file_no, ordinal, position, wanted in duck.rows(engine, "resolve/derived_ids"):
        free = wanted
        while free in taken:
            free += "~"
        taken.add(free)
        if free != wanted:
            engine.execute("insert into chosen values (?, ?, ?, ?)", (file_no, ordinal, position, free))
