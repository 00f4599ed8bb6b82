"""The run that is to be killed: what it does in the process that is started for it.

The places at which it can be killed are found, not written down: every call that the kit's own code makes, and every
return from one, while it backs up and publishes.
"""

from __future__ import annotations

import os
import signal
import sys
from multiprocessing.connection import Connection
from pathlib import Path
from types import CodeType

import ait42nb
from ait42nb import pipeline, publish

KIT = str(Path(ait42nb.__file__).parent)
LAST_STAGES = (pipeline.back_up, pipeline.publish_database)


def migrate(home: str, pipe: Connection, kill_at: int | None, slices: bool) -> None:
    """Migrate a home, and tell the pipe when it begins, then what came of it: the failure, and the places passed."""
    if slices:
        publish.SLICE_SECONDS = publish.PAUSE = 0.0
    pipe.send("begun")
    places = Places(kill_at)
    run = pipeline.start(ait42_home=home, dry_run=False, redact=False)
    for stage in pipeline.STAGES:
        sys.setprofile(places if stage in LAST_STAGES else None)
        run.step(stage)
        sys.setprofile(None)
    run.close()
    pipe.send((str(run.failure or ""), places.passed))


class Places:
    """A profile function that counts the kit's calls and returns, and ends the process at one of them."""

    def __init__(self, kill_at: int | None) -> None:
        self.kill_at = kill_at
        self.passed: list[str] = []
        self.ours: dict[CodeType, bool] = {}

    def __call__(self, frame, event: str, function: object) -> None:
        code = frame.f_code
        ours = self.ours.get(code)
        if ours is None:
            ours = self.ours[code] = code.co_filename.startswith(KIT)
        if not ours or event not in ("c_call", "c_return", "call", "return"):
            return
        name = getattr(function, "__name__", "") if event.startswith("c_") else ""
        self.passed.append(f"{Path(code.co_filename).stem}.{code.co_name}:{frame.f_lineno} {event} {name}".rstrip())
        if len(self.passed) - 1 == self.kill_at:
            os.kill(os.getpid(), signal.SIGKILL)
