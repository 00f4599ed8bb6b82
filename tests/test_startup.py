"""What a run waits for before its first line: only what it needs is imported."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = {"distributed", "ipywidgets", "lark", "matplotlib", "nbconvert", "numpy", "pandas", "papermill", "pyarrow"}


@pytest.mark.parametrize(
    "line, needed",
    [
        ("from ait42nb import pipeline, preflight, report, widgets", set()),  # the notebook's own
        ("import papermill.cli", {"papermill"}),
    ],
)
def test_nothing_heavy_is_imported(line, needed):
    """Neither the notebook's first cell nor papermill imports what takes long, and what most runs never use."""
    script = f"import sys; {line}; print(*{{name.partition('.')[0] for name in sys.modules}})"
    loaded = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.split()

    assert HEAVY.intersection(loaded) == needed
