"""`fleet.ipynb`: many homes at once on Dask. Each home is one independent task, a run of `migrate.ipynb` that is kept.

A run leaves its home as it was or complete (invariant 6), and one that is repeated changes nothing (invariant 8):
whatever happens to a worker, its home is simply tried again.
"""

from __future__ import annotations

import glob
import logging
import os
import queue
import statistics
import tempfile
import threading
import time
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass, field, fields
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from ait42nb import __version__, pipeline, report, samples
from ait42nb import engine as duck
from ait42nb.display import Badge, Code, Notice, Progress, Shown, Stack, Table, counted
from ait42nb.errors import Ait42Error, FleetFailed, HomeError, SettingsError
from ait42nb.home import Home, as_owner, refuse_links, write_atomically
from ait42nb.mapping import digest
from ait42nb.pictures import ENDS, Span, flow_picture, lanes_picture
from ait42nb.pipeline import Run
from ait42nb.reconcile import KINDS, PLACES
from ait42nb.redact import error_line
from ait42nb.settings import FleetSettings, Settings, read_settings
from ait42nb.summary import read_summary, write_summary

if TYPE_CHECKING:
    from distributed import Client, Future

NOTEBOOK = Path(__file__).parent.parent / "notebooks" / "migrate.ipynb"

# How often a home is tried at most, since its worker may be lost or stuck; and how often it may fail by itself.
TRIES, FAILURES = 3, 2
LOST = "Its worker was lost each time. Look at the machine's memory, then run again."
# A run is a straggler after so many seconds or so many times the median, and what its bytes take at so many a second.
PATIENCE, FAR_OVER, RATE = 120.0, 10, 1_000_000
FETCH, TICK = 20.0, 0.5

# The badge of each end that an attempt can come to.
BADGES = {"ok": "good", "held": "warning", "failed": "failed", "lost": "failed", "stopped": "failed"}
ORDER = ("failed", "held", "ok")


@dataclass(frozen=True)
class Homes:
    """What `homes` names: folders, each once."""

    paths: tuple[Path, ...]


@dataclass(frozen=True)
class Attempt:
    """One run over one home: on which worker, when (as the driver's clock tells), and what became of it."""

    worker: str
    began: float
    ended: float
    outcome: str


@dataclass(frozen=True)
class Migrated:
    """One home at the end: the summary and the executed notebook of its last run that came to an end, if any did."""

    home: Path
    attempts: tuple[Attempt, ...]
    summary: dict[str, object] | None
    notebook: Path | None
    error: str

    @property
    def outcome(self) -> str:
        last = self.attempts[-1].outcome if self.attempts else "failed"
        return last if last in ("ok", "held") else "failed"

    @property
    def seconds(self) -> float:
        return sum(attempt.ended - attempt.began for attempt in self.attempts)

    def counts(self, kind: str) -> Mapping[str, int]:
        return self.summary["balance"][kind] if self.summary else {}


@dataclass(frozen=True)
class Fleet:
    """All homes, in the order in which they were named."""

    homes: tuple[Migrated, ...]
    workers: int
    seconds: float

    def count(self, outcome: str) -> int:
        return sum(home.outcome == outcome for home in self.homes)

    @property
    def balance(self) -> dict[str, dict[str, int]]:
        """The books of all homes as one."""
        places = ("source", *PLACES)
        return {kind: {p: sum(home.counts(kind).get(p, 0) for home in self.homes) for p in places} for kind in KINDS}


def start(parameters: Mapping[str, object] | None = None, **more: object) -> Run:
    """Open a fleet's run; see `pipeline.start`. It takes no lock: each home's own run does."""
    nowhere = Home(Path(os.devnull))
    try:
        return Run(read_settings({**(parameters or {}), **more}, FleetSettings), nowhere)
    except Ait42Error as error:
        return Run(FleetSettings(), nowhere, failure=error)


def migrate(**parameters: object) -> Run:
    """A whole fleet in one call, without a notebook of its own."""
    run = start(parameters)
    for stage in (find_homes, migrate_homes, judge):
        run.step(stage)
    return run


# The homes -----------------------------------------------------------------------------------------------------------


def find_homes(run: Run) -> Homes:
    """The folders that `homes` names: by globs, one by one, or in a file with one a line.

    A glob takes the folders that there are; what is named plainly is taken as it is, and fails by itself if it is none.

    Raises: SettingsError, when there are none
    """
    given = run.settings.homes
    chosen: dict[str, Path] = {}
    for pattern in [given] if isinstance(given, str) else given:
        for path in _named(pattern) if pattern else ():
            known = chosen.get(os.path.realpath(path))
            if known is None or known.is_symlink():
                chosen[os.path.realpath(path)] = path
    if not chosen:
        raise SettingsError(
            "parameter homes", "names no home", "Give a glob such as /home/*/.ait42, a list, or a file with one a line"
        )
    return Homes(tuple(chosen.values()))


def _named(pattern: str) -> Iterable[Path]:
    path = _absolute(pattern)
    if path.is_file():
        lines = path.read_text(encoding="utf-8", errors="surrogateescape").split("\n")
        return [_absolute(line.strip()) for line in lines if line.strip() and not line.startswith("#")]
    if path.is_dir() or not glob.has_magic(pattern):
        return [path]
    return [Path(found) for found in sorted(glob.glob(str(path), recursive=True)) if os.path.isdir(found)]


def _absolute(path: str) -> Path:
    return Path(path).expanduser().absolute()


# One home, on a worker ------------------------------------------------------------------------------------------------


class Job(NamedTuple):
    """What a worker is told."""

    home: str
    notebook: str
    parameters: dict[str, object]
    topic: str
    key: str
    threads: int


class Executed(NamedTuple):
    """What a worker gives back: the executed notebook, or why there is none."""

    notebook: str = ""
    error: str = ""


# IPython, and the bounds of memory and threads, are a process's.
_one_at_a_time = threading.Lock()


def migrate_home(job: Job) -> Executed:
    """Run the notebook over one home, here, with the rights of the home's owner where this is root."""
    from distributed import get_worker

    from ait42nb.execute import execute

    worker, home = get_worker(), Path(job.home)
    with _one_at_a_time:
        duck.THREADS = job.threads or worker.state.nthreads
        variables: dict[str, object] = {}
        try:
            job.home.encode()
            if os.geteuid() == 0 and home.exists():
                refuse_links(home)
                _make_ready(home, job.notebook)
            with as_owner(home, Path(duck.duckdb.__file__)) if home.exists() else nullcontext():
                size = sum(path.lstat().st_size for path in (home / "sessions").glob("*.json"))
                worker.log_event(job.topic, {"key": job.key, "worker": worker.address, "bytes": size})
                notebook, variables = execute(job.notebook, job.parameters | {"ait42_home": job.home})
                return Executed(notebook)
        except Ait42Error as error:
            return Executed(error=error_line(error, job.parameters["redact"], home))
        except (OSError, UnicodeError) as error:
            return Executed(error=f"The home cannot be used ({type(error).__name__}). Look at it by itself.")
        finally:
            pipeline.close_former(variables)


def _make_ready(home: Path, notebook: str) -> None:
    """Where a home's owner cannot read Python itself, such as root's own, import all beforehand that a run may need."""
    try:
        with as_owner(home, Path(os.__file__)):
            return
    except HomeError:
        _import_all(notebook)


@cache
def _import_all(notebook: str) -> None:
    """Run the notebook over a made-up home: migrate it, merge into it, and fail."""
    from ait42nb.execute import execute

    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder, "home")
        samples.write_mapping(samples.write_home(home, sessions=20, files=3, messages_per_session=3, broken=True))
        for path in (home, home, home / "gone"):
            parameters = {"ait42_home": str(path), "dry_run": False, "reread": True}
            pipeline.close_former(execute(notebook, parameters)[1])


# All homes, from here -------------------------------------------------------------------------------------------------


def migrate_homes(run: Run) -> Fleet:
    """Let the workers migrate all homes; keep each home's executed notebook in `output_dir`.

    Raises: FleetFailed, when Dask is not there; SettingsError, when no scheduler answers, or `output_dir` is none
    Rule:   what fails is tried again, last; one home never stops another
    """
    settings, homes = run.settings, run.get(Homes).paths
    folder = output_folder(run)
    began = time.monotonic()
    with _cluster(settings, len(homes)) as (client, threads):
        workers = len(client.nthreads())
        with Progress("Homes", len(homes)) as progress:
            migrated = _Driver(run, client, threads, folder, progress).drive(homes)
    return Fleet(tuple(migrated), workers, time.monotonic() - began)


def output_folder(run: Run) -> Path:
    """Where the executed notebooks go; made if it is not there.

    Raises: SettingsError, when it cannot be made
    """
    folder = Path(run.settings.output_dir or f"fleet-{run.run_id}").expanduser().absolute()
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise SettingsError("parameter output_dir", "is no folder to write into", "Name another") from error
    return folder


@contextmanager
def _cluster(settings: FleetSettings, homes: int) -> Iterator[tuple[Client, int]]:
    """Dask, and how many threads a home may use (0: as many as its worker has).

    A local cluster is this machine's alone: on the loopback, and encrypted, since whoever talks to a worker can run
    anything as its user.
    """
    try:
        import dask
        from distributed import Client, LocalCluster
    except ImportError as error:
        raise FleetFailed("distributed", "is not installed", "Install the kit with it: ait42nb[fleet]") from error
    if settings.scheduler:
        try:
            client = Client(settings.scheduler, timeout=10, set_as_default=False)
            client.wait_for_workers(1, timeout=10)
        except (OSError, ValueError, TimeoutError) as error:
            raise SettingsError(
                "parameter scheduler", "no Dask scheduler with workers answers there", "Start them, or leave it out"
            ) from error
        with client:
            yield client, 0
        return
    cores = os.cpu_count() or 1
    workers = min(settings.workers or cores, homes)
    with (
        tempfile.TemporaryDirectory(prefix="ait42nb-") as scratch,
        # That long after a worker was lost, Dask looks whether it is there, and if not ends its nanny for good: also
        # one that is just starting it, since it was lost once more or the machine is slow.
        dask.config.set({"distributed.deploy.lost-worker-timeout": "1000 days"}),
        LocalCluster(
            n_workers=workers,
            threads_per_worker=1,
            host="127.0.0.1",
            dashboard_address="127.0.0.1:0",
            security=True,
            local_directory=scratch,
            silence_logs=logging.CRITICAL,
            # A worker that is lost is ours to count, and to try again.
            scheduler_kwargs={"allowed_failures": 0},
        ) as cluster,
        Client(cluster, set_as_default=False) as client,
    ):
        yield client, max(1, cores // workers)


@dataclass
class _Task:
    """A home that is waiting or running."""

    home: Path
    attempts: list[Attempt] = field(default_factory=list)
    summary: dict[str, object] | None = None
    notebook: Path | None = None
    error: str = ""
    submitted: float = 0.0
    key: str = ""


class _Driver:
    """Hands out the homes, one to a worker, and takes back what becomes of them."""

    def __init__(self, run: Run, client: Client, threads: int, folder: Path, progress: Progress) -> None:
        self.client, self.threads, self.folder, self.progress = client, threads, folder, progress
        self.template = _template()
        of_each = {f.name for f in fields(FleetSettings)} & {f.name for f in fields(Settings)} - {"summary_path"}
        self.parameters = {name: getattr(run.settings, name) for name in sorted(of_each)}
        self.waiting: deque[_Task] = deque()
        self.running: dict[Future, _Task] = {}
        self.ended: queue.SimpleQueue[Future] = queue.SimpleQueue()
        self.begun: dict[str, list[tuple[float, str, int]]] = {}  # key -> when, on which worker, how many bytes
        self.seconds: list[float] = []
        self.topic = f"ait42nb-{run.run_id}"
        client.subscribe_topic(self.topic, self._hear)

    def _hear(self, event: tuple[float, dict[str, object]]) -> None:
        told = event[1]
        self.begun.setdefault(told["key"], []).append((time.time(), told["worker"], told["bytes"]))

    def drive(self, homes: Iterable[Path]) -> list[Migrated]:
        tasks = [_Task(home) for home in homes]
        self.waiting.extend(tasks)
        alive_at = time.time()
        while self.waiting or self.running:
            alive = self._alive()
            alive_at = time.time() if alive else alive_at
            if time.time() - alive_at > PATIENCE:
                break
            while self.waiting and len(self.running) < alive:
                self._submit(self.waiting.popleft())
            with suppress(queue.Empty):
                self._settle(self.ended.get(timeout=TICK))
            for future, task in [*self.running.items()]:
                if not future.done() and self._is_straggler(task):
                    self._stop(future, task)
        for task in (*self.waiting, *self.running.values()):
            task.attempts.append(Attempt("", task.submitted or time.time(), time.time(), "lost"))
            task.error = "The cluster has no workers any more. Run again; what is migrated stays."
        return [Migrated(t.home, tuple(t.attempts), t.summary, t.notebook, t.error) for t in tasks]

    def _alive(self) -> int:
        try:
            return len(self.client.nthreads())
        except (OSError, TimeoutError):
            return 0

    def _submit(self, task: _Task) -> None:
        task.submitted = time.time()
        task.key = f"{self.topic}-{digest(str(task.home))}-{len(task.attempts)}"
        job = Job(str(task.home), self.template, self.parameters, self.topic, task.key, self.threads)
        future = self.client.submit(migrate_home, job, key=task.key, pure=False)
        self.running[future] = task
        future.add_done_callback(self.ended.put)

    def _begun(self, task: _Task) -> tuple[float, str, int]:
        """When and where the task's last attempt began; since its submission nowhere, if no worker told that."""
        return (self.begun.get(task.key) or [(task.submitted, "", 0)])[-1]

    def _where(self, task: _Task) -> str:
        """The worker that has a task: a worker that stands still may not have told that it began."""
        _, worker, _ = self._begun(task)
        with suppress(OSError, TimeoutError):
            worker = worker or next((at for at, keys in self.client.processing().items() if task.key in keys), "")
        return worker

    def _settle(self, future: Future) -> None:
        task = self.running.pop(future, None)
        if task is None:
            return  # a straggler that was stopped
        try:
            outcome = self._keep(task, future.result(timeout=FETCH))
        except TimeoutError:  # its worker has done the work, and stands still since
            return self._stop(future, task)
        except Exception as error:  # whatever a worker can fail with, Dask raises here
            lost = type(error).__name__ in ("KilledWorker", "CancelledError", "FutureCancelledError")
            outcome, task.error = ("lost", LOST) if lost else ("failed", f"It cannot be run ({type(error).__name__}).")
        self._count(task, outcome)

    def _keep(self, task: _Task, executed: Executed) -> str:
        """Keep the executed notebook; its name is made here, of nobody's text."""
        if not executed.notebook:
            task.error = executed.error
            return "failed"
        path = self.folder / f"{digest(str(task.home))}.ipynb"
        try:
            write_atomically(path, executed.notebook)
        except OSError:
            task.error = "Its executed notebook cannot be kept in output_dir. Look at the space that is left there."
            return "failed"
        task.notebook = path
        try:
            task.summary = read_summary(path)
        except Ait42Error:
            task.error = "The notebook ended before its summary. It says why."
            return "failed"
        task.error = task.summary["stats"]["errors"][-1] if task.summary["outcome"] == "failed" else ""
        return task.summary["outcome"]

    def _count(self, task: _Task, outcome: str) -> None:
        """An attempt has ended; the home is done with, or goes to the end of the queue."""
        began, worker, _ = self._begun(task)
        # Where its worker was lost, Dask itself may have tried again.
        for before, lost, _ in self.begun.get(task.key, ())[:-1]:
            task.attempts.append(Attempt(lost, before, began, "lost"))
        task.attempts.append(Attempt(worker, began, time.time(), outcome))
        failures = sum(attempt.outcome == "failed" for attempt in task.attempts)
        if outcome in ("ok", "held"):
            self.seconds.append(time.time() - began)
        elif failures < FAILURES and len(task.attempts) < TRIES:
            self.waiting.append(task)
            return
        self.progress.step()

    def _is_straggler(self, task: _Task) -> bool:
        began, _, size = self._begun(task)
        usual = statistics.median(self.seconds) if self.seconds else 0.0
        return time.time() - began > max(PATIENCE, FAR_OVER * usual) + size / RATE

    def _stop(self, future: Future, task: _Task) -> None:
        """End the process of a worker that is stuck: its home's lock goes with it, and the home may be tried again."""
        self.running.pop(future, None)
        worker = self._where(task)
        future.cancel()
        # Only a worker with a nanny can be restarted; and this one may be gone by itself meanwhile.
        with suppress(ValueError, KeyError, OSError, TimeoutError):
            self.client.restart_workers([worker], timeout=20, raise_for_error=False)
        task.error = "It took far longer than the others each time, and was stopped. Migrate it by itself."
        self._count(task, "stopped")


def _template() -> str:
    """The notebook that each home is migrated by. Raises: FleetFailed, when it is not there"""
    for path in (NOTEBOOK, Path("notebooks/migrate.ipynb"), Path("migrate.ipynb")):
        if path.is_file():
            return path.read_text(encoding="utf-8")
    raise FleetFailed("migrate.ipynb", "is neither beside the kit nor here", "Start in the folder that has it")


def judge(run: Run) -> None:
    """Raises: FleetFailed, when a home failed."""
    fleet = run.get(Fleet)
    if failed := fleet.count("failed"):
        raise FleetFailed(
            "homes",
            f"{failed:,} of {counted(len(fleet.homes), 'home')} failed",
            "The report says why; mend them and run again, the others stay as they are",
        )


# What the notebook shows ----------------------------------------------------------------------------------------------


def opening(run: Run) -> Shown:
    """What this run is going to do."""
    if run.failure:
        return report.skipped(run)
    where = "the Dask cluster that scheduler names" if run.settings.scheduler else "a cluster on this machine"
    if run.settings.dry_run:
        return Notice("dry_run", "Nothing will be written into any home", f"Every home is looked at, on {where}.")
    return Notice("info", "Every home will be migrated", f"On {where}, each by itself.")


def label(home: Path, redact: bool) -> str:
    """A home as it is shown; its notebook has this hash for its name."""
    return digest(str(home)) if redact else str(home)


def show_homes(run: Run) -> Shown:
    """Which homes were found."""
    if run.results.get(Homes) is None:
        return report.skipped(run)
    homes = run.get(Homes).paths
    rows = [{"home": Code(label(home, run.settings.redact)), "exists": home.is_dir()} for home in homes]
    return Table(rows, caption=counted(len(homes), "home"), limit=200)


def show_fleet(run: Run) -> Shown:
    """What became of each home: pictures of all, and a table with those that failed first."""
    if run.results.get(Fleet) is None:
        return report.skipped(run)
    fleet, redact = run.get(Fleet), run.settings.redact
    first = min((a.began for home in fleet.homes for a in home.attempts), default=0.0)
    spans = [
        Span(a.worker, a.began - first, a.ended - first, a.outcome, label(home.home, redact))
        for home in fleet.homes
        for a in home.attempts
    ]
    tried = sum(len(home.attempts) > 1 for home in fleet.homes)
    words = f"{counted(len(fleet.homes), 'home')} on {counted(fleet.workers, 'worker')} in {fleet.seconds:,.1f} s"
    words += f"; {tried:,} tried more than once." if tried else "."
    return Stack(
        words,
        lanes_picture("What each worker did", spans),
        flow_picture(fleet.balance),
        Table([_row(home, redact) for home in _in_order(fleet)], caption="Home by home", limit=1000),
    )


def _badge(outcome: str) -> Badge:
    return Badge(BADGES[outcome], ENDS[outcome][0].capitalize())


def _in_order(fleet: Fleet) -> list[Migrated]:
    return sorted(fleet.homes, key=lambda home: ORDER.index(home.outcome))


def _row(home: Migrated, redact: bool) -> dict[str, object]:
    return {
        "home": Code(label(home.home, redact)),
        "outcome": _badge(home.outcome),
        **{kind: home.counts(kind).get("source", 0) for kind in KINDS},
        "held": home.counts("sessions").get("held", 0),
        "tries": len(home.attempts),
        "seconds": round(home.seconds, 1),
    }


def show_troubles(run: Run) -> Shown:
    """Which homes failed, and why; which were tried again, and what had happened to their workers."""
    if run.results.get(Fleet) is None:
        return report.skipped(run)
    fleet, redact = run.get(Fleet), run.settings.redact
    failed = [
        {"home": Code(label(home.home, redact)), "why": home.error} for home in fleet.homes if home.outcome == "failed"
    ]
    tried = [
        {
            "home": Code(label(home.home, redact)),
            "tries": Stack(*(_badge(a.outcome) for a in home.attempts), close=True),
        }
        for home in fleet.homes
        if len(home.attempts) > 1
    ]
    if not failed and not tried:
        return Notice("good", "Every home was migrated at the first try")
    return Stack(
        Table(failed, caption="Failed", limit=1000) if failed else None,
        Table(tried, caption="Tried more than once", limit=1000) if tried else None,
    )


def summarize(run: Run) -> dict[str, object]:
    """The fleet in numbers; of one that failed as far as it came."""
    fleet, redact = run.results.get(Fleet), run.settings.redact
    homes = fleet.homes if fleet else ()
    counts = Counter(home.outcome for home in homes)
    outcome = "failed" if run.failure else "held" if counts["held"] else "ok"
    named = run.results.get(Homes)
    return {
        "outcome": outcome,
        "dry_run": run.settings.dry_run,
        "run_id": run.run_id,
        "kit_version": __version__,
        "errors": [error_line(run.failure, redact, run.home.path)] if run.failure else [],
        "homes": {"found": len(named.paths) if named else 0} | {end: counts[end] for end in reversed(ORDER)},
        "attempts": dict(Counter(attempt.outcome for home in homes for attempt in home.attempts)),
        "balance": fleet.balance if fleet else {},
        "workers": fleet.workers if fleet else 0,
        "seconds": round(fleet.seconds, 3) if fleet else 0.0,
        "each": [
            {
                "home": label(home.home, redact),
                "outcome": home.outcome,
                "attempts": [attempt.outcome for attempt in home.attempts],
                "seconds": round(home.seconds, 3),
                "notebook": home.notebook.name if home.notebook else None,
                "run_id": home.summary["run_id"] if home.summary else None,
                "error": home.error,
            }
            for home in homes
        ],
    }


def show_summary(run: Run) -> None:
    """Show the outcome, carry the summary as JSON in this cell, and write it to `summary_path`."""
    content = summarize(run)
    write_summary(run, content)
    words = {"ok": ("good", "Every home is complete"), "held": ("warning", "Complete, but something is held back")}
    shown = report.failure(run) if run.failure else Notice(*words[content["outcome"]])
    report.show_summary(shown, content)
