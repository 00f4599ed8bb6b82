"""The benchmark runs, whatever it finds."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

BENCH = Path(__file__).parents[1] / "benchmarks"


def test_a_quick_run(tmp_path: Path):
    """Each rival reads the same home, the kit is measured by stage, and tables and pictures come of it."""
    command = [sys.executable, BENCH / "run.py", "--quick", "--only", "sizes", "rivals", "--sizes", "guide_10"]
    subprocess.run([*command, "--folder", tmp_path], check=True, capture_output=True, timeout=300)
    found = json.loads((tmp_path / "results" / "results.json").read_text(encoding="utf-8"))
    assert found["sizes"]["guide_10"]["messages"] == 100
    assert {"kit", "guide", "python", "sqlite_utils", "sqlite_json", "floor"} == set(found["rivals"]["ways"])
    assert all(way["memory"] > 1 << 20 for way in found["rivals"]["ways"].values())
    assert "take_inventory" in found["rivals"]["ways"]["kit"]["stages"]
    assert {path.name for path in (tmp_path / "results").iterdir()} == {
        "results.json",
        "results.md",
        "rivals.svg",
        "growth.svg",
    }


def test_the_rivals_store_what_the_kit_stores(tmp_path: Path):
    """They are compared in speed alone, so they must do the same work."""
    script = """
import sqlite3, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
import homes
from ait42nb.pipeline import migrate
from rivals import RIVALS
folder = Path(sys.argv[2])
home = homes.home_of(homes.Made("small", 3, 20, 3, 10), folder)
run = homes.copy_of(home, folder)
assert migrate(ait42_home=str(run), dry_run=False, backup=False).failure is None
message = '''select message.id, message.session_id, instance_id, role, content, timestamp
from chat_messages as message left join instances on instances.id = instance_id_ref order by message.id'''
session = "select id, workspace_path, task, runtime_mix, timeout_seconds, preserve_worktrees from sessions order by id"
def rows(path):
    connection = sqlite3.connect(path)
    return [connection.execute(query).fetchall() for query in (message, session)]
expected = rows(run / "sessions.db")
for name in ("guide", "python", "sqlite_utils", "sqlite_json"):
    RIVALS[name](home, folder / f"{name}.db")
    assert rows(folder / f"{name}.db") == expected, name
"""
    subprocess.run([sys.executable, "-c", script, BENCH, tmp_path], check=True, timeout=300)
