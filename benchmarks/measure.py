"""One process, measured from outside: wall, CPU and the kernel's part of it, the most memory that it held at once."""

from __future__ import annotations

import json
import os
import platform
import shutil
import sqlite3
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path

_HERE = Path(__file__).parent


def measured(*arguments: object) -> dict[str, object]:
    """Run `child.py` once.

    Raises: SystemExit, with what it said, when it fails
    """
    began = time.perf_counter()
    child = _start(*arguments)
    output = child.stdout.read()
    _, status, usage = os.wait4(child.pid, 0)
    if status:
        raise SystemExit(f"{' '.join(map(str, arguments[:2]))} failed")
    return {
        "wall": time.perf_counter() - began,
        "cpu": usage.ru_utime + usage.ru_stime,
        "kernel": usage.ru_stime,
        # kilobytes on Linux, bytes on macOS
        "memory": usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024),
        **json.loads(output),
    }


def _start(*arguments: object) -> subprocess.Popen:
    environment = os.environ | {"PYTHONPATH": str(_HERE.parent)}
    return subprocess.Popen(
        [sys.executable, _HERE / "child.py", *map(str, arguments)], stdout=subprocess.PIPE, text=True, env=environment
    )


@contextmanager
def beside(database: Path, stop: Path) -> Iterator[dict[str, object]]:
    """Let an editor write to a database meanwhile; afterwards the dict has what it met with."""
    stop.unlink(missing_ok=True)
    found: dict[str, object] = {}
    child = _start("writer", database, stop)
    try:
        yield found
    finally:
        stop.touch()
        output, _ = child.communicate()
    found |= json.loads(output)


def median(runs: list[dict[str, object]]) -> dict[str, object]:
    """The run with the median wall time, and how far the others lay apart."""
    ordered = sorted(runs, key=lambda run: run["wall"])
    walls = [run["wall"] for run in ordered]
    middle = ordered[len(ordered) // 2]
    return middle | {"wall": statistics.median(walls), "lowest": walls[0], "highest": walls[-1], "rounds": len(runs)}


def copied(home: Path, folder: Path) -> float:
    """How many seconds it takes merely to copy a home: what writing so much costs on this machine."""
    shutil.rmtree(folder, ignore_errors=True)
    began = time.perf_counter()
    shutil.copytree(home, folder)
    took = time.perf_counter() - began
    shutil.rmtree(folder)
    return took


def machine() -> dict[str, object]:
    """What the numbers depend on; no names."""
    pages, size = (os.sysconf(name) for name in ("SC_PHYS_PAGES", "SC_PAGE_SIZE"))
    return {
        "cores": os.cpu_count(),
        "memory_gb": round(pages * size / 2**30),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "sqlite": sqlite3.sqlite_version,
        **{name: version(name) for name in ("ait42nb", "duckdb", "sqlite-utils")},
    }
