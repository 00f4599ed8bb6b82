"""What one measured process does. Prints what it found as one line of JSON.

python benchmarks/child.py kit HOME [PARAMETER=VALUE …]
python benchmarks/child.py backup HOME
python benchmarks/child.py rival NAME HOME TARGET
python benchmarks/child.py writer DATABASE STOP
"""

from __future__ import annotations

import json
import sqlite3
import sys
import time
from pathlib import Path


def kit(home: str, *parameters: str) -> dict[str, object]:
    from ait42nb.merge import Reconciled
    from ait42nb.pipeline import migrate

    run = migrate(ait42_home=home, dry_run=False, **dict(each.split("=") for each in parameters))
    if run.failure:
        raise SystemExit(str(run.failure))
    reconciled = run.get(Reconciled)
    return {
        "stages": run.timings,
        "longest_lock": reconciled.effect.longest_lock,
        "slices": reconciled.effect.slices,
        "messages": reconciled.balance.total["messages"],
    }


def backup(home: str) -> dict[str, object]:
    """The archive by itself."""
    from ait42nb import pipeline

    run = pipeline.start(ait42_home=home, dry_run=False)
    for stage in (pipeline.recall_last_run, pipeline.take_inventory, pipeline.back_up):
        run.step(stage)
    run.close()
    return {"stages": run.timings}


def rival(name: str, home: str, target: str) -> dict[str, object]:
    from rivals import RIVALS

    RIVALS[name](Path(home), Path(target))
    return {"bytes": Path(target).stat().st_size}


def writer(database: str, stop: str) -> dict[str, object]:
    """An editor that writes a message twenty times a second and waits five seconds for the lock, as sqlx does."""
    insert = (
        "insert or replace into chat_messages (id, session_id, role, content, timestamp) values (?, ?, 'user', '', '')"
    )
    connection = sqlite3.connect(database, timeout=5, isolation_level=None)
    (session_id,) = connection.execute("select id from sessions order by id limit 1").fetchone()
    writes, failures, longest = 0, 0, 0.0
    while not Path(stop).exists():
        began = time.perf_counter()
        try:
            connection.execute(insert, (f"beside-{writes}", session_id))
        except sqlite3.OperationalError:
            failures += 1
        longest = max(longest, time.perf_counter() - began)
        writes += 1
        time.sleep(0.05)
    return {"writes": writes, "failures": failures, "longest_wait": longest}


if __name__ == "__main__":
    name, *arguments = sys.argv[1:]
    json.dump({"kit": kit, "backup": backup, "rival": rival, "writer": writer}[name](*arguments), sys.stdout)
