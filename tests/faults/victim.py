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


def migrate(pipe: Connection, home: str, kill_at: str | None, slices: bool) -> None:
    """Migrate a home; tell the pipe of each stage that begins, and at the end the failure and the places."""
    # A busy machine must not make slices of what is one.
    publish.SLICE_SECONDS, publish.PAUSE = (0.0, 0.0) if slices else (3600.0, 0.0)
    places = Places(kill_at)
    pipe.send("ready")
    run = pipeline.start(ait42_home=home, dry_run=False, redact=False)
    for stage in pipeline.STAGES:
        pipe.send(stage.__name__)
        sys.setprofile(places if stage in LAST_STAGES else None)
        run.step(stage)
        sys.setprofile(None)
    run.close()
    pipe.send((str(run.failure or ""), list(places.passed)))


class Places:
    """A profile function that notes the kit's calls and returns, and ends the process at one of them.

    The same call is another place when it is made again: `publish._merge:141 c_call execute 2`; beyond the third time
    it is not told apart.
    """

    def __init__(self, kill_at: str | None) -> None:
        self.kill_at = kill_at
        self.times: dict[tuple, int] = {}
        self.passed: dict[str, None] = {}
        self.ours: dict[CodeType, bool] = {}

    def __call__(self, frame, event: str, function: object) -> None:
        code = frame.f_code
        ours = self.ours.get(code)
        if ours is None:
            ours = self.ours[code] = code.co_filename.startswith(KIT)
        if not ours or event == "c_exception":
            return
        key = (code, frame.f_lineno, event, getattr(function, "__name__", "") if event.startswith("c_") else "")
        times = self.times[key] = self.times.get(key, 0) + 1
        if times > 3:
            return
        place = f"{Path(code.co_filename).stem}.{code.co_name}:{frame.f_lineno} {event} {key[3]} {times}"
        self.passed[place] = None
        if place == self.kill_at:
            os.kill(os.getpid(), signal.SIGKILL)
