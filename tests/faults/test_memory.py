"""Little memory: a history much larger than memory_limit goes through, and the process stays small."""

from __future__ import annotations

import json
import resource
import sys
from multiprocessing.connection import Connection
from pathlib import Path

import oracle
from conftest import Home
from support import fault, start

from ait42nb import pipeline, samples
from ait42nb.summary import summarize

pytest_plugins = ["support"]

MB = 1 << 20
LIMIT = 200  # MB
PATIENCE = 600

# As the editor writes them; with a key that it does not know; breaking a rule; and torn at the end.
KINDS = {"fine": {}, "odd": {"evaluation": {"score": 1}}, "held": {"status": "round_2"}, "torn": {}}


def write_file(home: Home, kind: str, size: int) -> int:
    """Sessions of half a megabyte, such as terminals leave behind; how many."""
    pane = "│ \x1b[1m日本語\x1b[0m │\r\n" * 250
    count = 0
    file = home.write(f"/home/aki/{kind}", [])
    with file.open("w", encoding="utf-8") as writing:
        while writing.tell() < size:
            chat = [samples.message(id=f"{kind}-{count}-{n}", content=pane) for n in range(50)]
            record = samples.session(id=f"{kind}-{count}", chatHistory=chat, **KINDS[kind])
            writing.write(f"{',' if count else '['}\n{samples.dumps([record])[2:-2]}")
            count += 1
        writing.write("\n]" if kind != "torn" else ",\n{")
    return count


def migrate(pipe: Connection, home: str) -> None:
    """Send the summary, and the most memory that this process ever had."""
    run = pipeline.migrate(ait42_home=home, dry_run=False, backup=False, memory_limit=f"{LIMIT}MB")
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    pipe.send((str(run.failure or ""), json.dumps(summarize(run)), most))


def test_a_history_larger_than_memory(tmp_path: Path):
    """Thirty megabytes of each kind, in 200: all is stored or held, and the process is never twice as large as that."""
    home = Home(tmp_path / "home")
    counts = {kind: write_file(home, kind, 30 * MB) for kind in KINDS}

    with fault("little memory"):
        process, pipe = start(migrate, str(home.path))
        assert pipe.poll(PATIENCE)
        failure, summary, most = pipe.recv()
        process.join(PATIENCE)

        assert not failure
        sessions = json.loads(summary)["balance"]["sessions"]
        assert sessions["source"] == sum(counts.values())
        assert sessions["held"] == counts["held"]
        assert most < 2 * LIMIT * MB
        oracle.check(home.path, home.database)
