"""`make demo`: a made-up home migrated end to end; the executed notebook and its HTML are left to look at."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

from ait42nb import samples
from ait42nb.reconcile import KINDS
from ait42nb.share import to_html
from ait42nb.summary import read_summary

FOLDER = Path("build/demo")


def main() -> int:
    shutil.rmtree(FOLDER, ignore_errors=True)
    home = FOLDER / "home"
    print(f"A made-up home: {home}")
    samples.write_home(home, broken=True)
    for file in (home / "sessions").iterdir():
        os.utime(file, times=(file.stat().st_atime, time.time() - 86_400))  # nobody writes them at this moment
    notebook = FOLDER / "migrate.ipynb"
    print("papermill notebooks/migrate.ipynb ... -p dry_run false")
    parameters = ["-p", "ait42_home", str(home), "-p", "dry_run", "false", "-p", "redact", "false"]
    command = [sys.executable, "-m", "papermill", "notebooks/migrate.ipynb", str(notebook), *parameters]
    code = subprocess.run([*command, "--no-progress-bar", "--log-level", "ERROR"]).returncode
    if code:
        return code
    page = notebook.with_suffix(".html")
    to_html(notebook, page)
    summary = read_summary(notebook)
    print()
    for kind in KINDS:
        row = summary["balance"][kind]
        print(f"  {kind:10} {row['source']:6,} in the files: {row['inserted']:,} migrated, ", end="")
        print(f"{row['shadowed']:,} stand aside for their twins, {row['held']:,} held back")
    compared = summary["validation"]["values_compared"]
    print(f"  {compared:,} values compared, {summary['validation']['values_different']} differ")
    print(f"\nThe database:  {home / 'sessions.db'}\nThe notebook:  {notebook}\nThe report:    {page}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
