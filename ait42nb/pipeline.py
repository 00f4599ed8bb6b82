"""The whole run on one screen: settings -> STAGES -> report."""

from __future__ import annotations

import atexit
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from ait42nb import engine as duck
from ait42nb.backup import back_up, begin_backup
from ait42nb.check import check_records
from ait42nb.display import Progress
from ait42nb.errors import Ait42Error, DiskFull, HomeError, MigrationFailed
from ait42nb.home import NO_SPACE, Home, new_run_id, now
from ait42nb.inventory import take_inventory
from ait42nb.mapping import map_workspaces
from ait42nb.publish import publish_database, rehearse_merge
from ait42nb.read import read_documents
from ait42nb.recall import recall_last_run
from ait42nb.redact import error_words
from ait42nb.resolve import resolve_records
from ait42nb.settings import Settings, read_settings
from ait42nb.stage import stage_database
from ait42nb.stored import take_snapshot
from ait42nb.verify import verify_database

STAGES = (
    recall_last_run,
    take_inventory,
    take_snapshot,
    begin_backup,
    map_workspaces,
    read_documents,
    check_records,
    resolve_records,
    stage_database,
    verify_database,
    rehearse_merge,
    back_up,
    publish_database,
)

T = TypeVar("T")


@dataclass
class Run:
    """One run over one home: what every stage gets, and what the stages before it returned."""

    settings: Settings
    home: Home
    run_id: str = field(default_factory=new_run_id)
    started_at: str = field(default_factory=now)
    work: Path | None = None
    engine: duck.Engine | None = None
    results: dict[type, object] = field(default_factory=dict)
    done: dict[Callable, object] = field(default_factory=dict)
    timings: dict[str, float] = field(default_factory=dict)
    failure: Ait42Error | None = None
    told: bool = False  # whether the report has shown the failure
    watched: bool = True  # whether a notebook shows how far each step is
    resources: ExitStack = field(default_factory=ExitStack)

    def step(self, stage: Callable[[Run], T], *, again: bool = False) -> T | None:
        """Run one stage and keep what it returns; after a failure every further stage is skipped and gives None.

        A person may run a cell twice: its stage runs once, unless it is asked for `again`.
        """
        if self.failure:
            return None
        if stage in self.done and not again:
            return self.done[stage]
        began = time.perf_counter()
        try:
            with duck.translated(stage.__name__):
                result = stage(self)
        except Ait42Error as error:
            self.failure = error
            return None
        except OSError as error:
            self.failure = _translated(error, self.home)
            self.failure.__cause__ = error
            return None
        finally:
            self.timings[stage.__name__] = time.perf_counter() - began
        self.results[type(result)] = self.done[stage] = result
        return result

    def get(self, kind: type[T]) -> T:
        """What an earlier stage returned."""
        return self.results[kind]

    def progress(self, label: str, total: int | None = None, unit: str = "") -> Progress:
        """How far a long step is, for whoever looks on."""
        return Progress(label, total, unit, shown=self.watched)

    def close(self) -> None:
        """Let go of the lock, the engine and the work folder. A second call does nothing."""
        self.resources.close()
        atexit.unregister(self.close)


def start(parameters: Mapping[str, object] | None = None, **more: object) -> Run:
    """Open a run from a notebook's `globals()` (or from keyword arguments, in a script).

    Returns: a Run; where the parameters or the home cannot be used, one that has failed already, so that the notebook's
             report says why
    """
    close_former(parameters)
    try:
        settings = read_settings({**(parameters or {}), **more})
    except Ait42Error as error:
        return Run(Settings(), Home(Settings().home), failure=error)
    return open_run(settings)


def open_run(settings: Settings) -> Run:
    """Take the home's lock, a work folder and an engine; where that cannot be, the run has failed."""
    run = Run(settings, Home(settings.home))
    atexit.register(run.close)
    run.step(_open)
    return run


def _open(run: Run) -> None:
    run.home.require(writable=not run.settings.dry_run)
    run.resources.enter_context(run.home.locked())
    run.work = run.resources.enter_context(run.home.work_folder(run.run_id, dry_run=run.settings.dry_run))
    run.engine = duck.connect(run.work, run.settings.memory_limit)
    run.resources.callback(run.engine.close)


def close_former(parameters: Mapping[str, object] | None) -> None:
    """A person begins again: the run of before, in the notebook's `run`, still holds the home."""
    former = (parameters or {}).get("run")
    if isinstance(former, Run):
        former.close()


def migrate(**parameters: object) -> Run:
    """The whole run in one call, as the tests and the fleet make it. Look at `failure` and `results` afterwards."""
    run = start(parameters)
    run.watched = False  # a notebook that calls this has steps of its own
    try:
        for stage in STAGES:
            run.step(stage)
    finally:
        run.close()
    return run


def conclude(run: Run) -> None:
    """The notebook's last cell: let go of everything, and fail here if the run failed.

    Raises: MigrationFailed, after the whole report was shown
    """
    run.close()
    if run.failure:
        raise MigrationFailed(*error_words(run.failure, run.settings.redact, run.home.path)) from run.failure


def _translated(error: OSError, home: Home) -> Ait42Error:
    where, problem = error.filename or home.path, (error.strerror or type(error).__name__).lower()
    if error.errno in NO_SPACE:
        return DiskFull(where, problem, "Free some space (df -h shows where) and run again; nothing was published")
    return HomeError(where, problem, "Nothing was published; run again")
