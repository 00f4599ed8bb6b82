"""SIGKILL, at moments spread over a run and at every kind of place in publishing; then the next run."""

from __future__ import annotations

import itertools
import random
import shutil
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import pairwise
from multiprocessing.connection import Connection
from pathlib import Path

import psutil
import pytest
import victim
from conftest import Home
from support import (
    FULL,
    PATIENCE,
    Content,
    Sources,
    collecting,
    content,
    fault,
    fill,
    require_complete,
    require_tidy,
    start,
)

pytest_plugins = ["support"]

# Of each scene.
MOMENTS = 40 if FULL else 20
PLACES = 120 if FULL else 50
NOTEBOOKS = 20 if FULL else 3
NOTEBOOK = Path(__file__).parents[2] / "notebooks" / "migrate.ipynb"


@dataclass(frozen=True)
class Scene:
    """A home before a run; what its database says before and after one; when each stage begins, and what it passes."""

    home: Path
    before: Content | None
    after: Content
    begins: dict[str, float]
    places: list[str]
    slices: bool = False

    def copy(self, folder: Path) -> Path:
        return shutil.copytree(self.home, folder / "home")


@dataclass
class Ran:
    """When each stage began; the places that were passed in publishing, None where it was killed."""

    begins: dict[str, float]
    places: list[str] | None


def run(home: Path, kill_at: str | None = None, slices: bool = False, after: tuple[str, float] | None = None) -> Ran:
    """Migrate in a process of its own, and kill it at a place, or so many seconds after a stage has begun."""
    process, pipe = start(victim.migrate, str(home), kill_at, slices)
    began = time.perf_counter()
    ran = Ran({}, None)
    try:
        while not isinstance(said := hear(pipe), tuple):
            ran.begins[said] = time.perf_counter() - began
            # A stage that is over sooner is killed as soon as the next one begins.
            if after and said == after[0] and not (pipe.poll(after[1]) and isinstance(pipe.recv(), tuple)):
                process.kill()
        failure, ran.places = said
        assert not failure
    except EOFError:
        with collecting:
            process.join(PATIENCE)
        assert process.exitcode == -signal.SIGKILL
    finally:
        with collecting:
            process.kill()
            process.join()
        pipe.close()
    return ran


def hear(pipe: Connection) -> object:
    assert pipe.poll(PATIENCE), "the run hangs"
    return pipe.recv()


def scene(home: Path, folder: Path, *, slices: bool = False) -> Scene:
    """Measure the run from which nobody takes anything away; the oracle agrees with what it leaves."""
    reference = shutil.copytree(home, folder / "reference")
    ran = run(reference, slices=slices)
    require_complete(reference)
    before, after = content(home / "sessions.db"), content(reference / "sessions.db")
    return Scene(home, before, after, ran.begins, ran.places, slices)


@pytest.fixture(scope="module", params=["first", "merge", "slices"])
def found(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Scene:
    """A first migration, a merge, and the same merge with a slice for each session."""
    folder = tmp_path_factory.mktemp(request.param)
    home = Home(folder / "home")
    fill(home, "first" if request.param == "first" else "merge")
    return scene(home.path, folder, slices=request.param == "slices")


def survive(scene: Scene, folder: Path, **kill: object) -> bool:
    """Kill one run, look, and run again. Returns: whether the run was killed before it had ended."""
    with fault("killed"):
        home = scene.copy(folder)
        sources = Sources.of(home)
        killed = run(home, slices=scene.slices, **kill).places is None
        assert Sources.of(home) == sources
        require_tidy(home, killed=True)
        require_whole(scene, content(home / "sessions.db"))
        run(home)
        assert Sources.of(home) == sources
        require_tidy(home)
        require_end(scene, content(home / "sessions.db"))
        shutil.rmtree(home)
        return killed


def require_whole(scene: Scene, found: Content | None) -> None:
    """The database is as before, or complete; in slices each session is."""
    if not scene.slices:
        assert found in (scene.before, scene.after)
        return
    before, after = by_session(scene.before), by_session(scene.after)
    for session_id, rows in by_session(found).items():
        assert rows in (before.get(session_id), after.get(session_id))
    assert before.keys() <= by_session(found).keys()


def require_end(scene: Scene, found: Content) -> None:
    """As if nobody had killed anything; after slices the books tell of those that were left to do."""
    without_books = [{**whole, "migration_files": _unbooked(whole)} for whole in (found, scene.after)]
    assert found == scene.after or (scene.slices and without_books[0] == without_books[1])


def _unbooked(whole: Content) -> list[tuple]:
    """The rows without their balance, the one JSON object in them."""
    return [tuple(value for value in row if not str(value).startswith("{")) for row in whole["migration_files"]]


def by_session(whole: Content) -> dict[str, list[tuple]]:
    """Everything that a slice carries, by the session that it belongs to; row ids follow the slices' order."""
    columns = {"sessions": (0, 0), "instances": (1, 1), "chat_messages": (1, 0), "migration_ledger": (0, 0)}
    found: dict[str, list[tuple]] = {}
    for table, (owner, first_column) in columns.items():
        for row in whole[table]:
            found.setdefault(row[owner], []).append((table, *row[first_column:]))
    return found


def kill_all(scene: Scene, folder: Path, kills: list[dict[str, object]]) -> int:
    """Two at a time, each in a home of its own. Returns: how many runs were killed before they had ended."""
    folders = (folder / str(number) for number in itertools.count())
    with ThreadPoolExecutor(2) as pool:
        return sum(pool.map(lambda kill, where: survive(scene, where, **kill), kills, folders))


def test_killed_at_any_time(found: Scene, tmp_path: Path):
    """At moments spread over the whole run, a little shaken: as many in each stage as it takes time."""
    begins, shaken = [*found.begins.items(), ("the end", max(found.begins.values()) * 1.05)], random.Random(1)
    first = begins[0][1]
    moments = [first + (begins[-1][1] - first) * (n + shaken.random()) / MOMENTS for n in range(MOMENTS)]
    kills = [
        (stage, moment - at) for moment in moments for (stage, at), (_, end) in pairwise(begins) if at <= moment < end
    ]
    killed = kill_all(found, tmp_path, [{"after": kill} for kill in kills])
    assert killed >= len(kills) - 2, "the runs ended before they were killed"
    assert len(kills) == MOMENTS


def test_killed_in_publishing(found: Scene, tmp_path: Path):
    """Before and after each rename, each COMMIT, each statement: at every place in the code that the run passes."""
    chosen = spread(found.places, PLACES)
    killed = kill_all(found, tmp_path, [{"kill_at": place} for place in chosen])
    assert killed == len(chosen), "the runs took other ways"
    told = {function(place) for place in chosen}
    assert DECISIVE & {function(place) for place in found.places} <= told
    assert "database.transaction" in told
    assert (found.before is None) == ("publish._make_durable" in told)


def function(place: str) -> str:
    return place.partition(":")[0]


DECISIVE = {
    "backup.move_into",
    "database.transaction",
    "home._renameat2",
    "home.rename_without_overwriting",
    "home.sync_folder",
    "publish._make_durable",
}


def spread(places: list[str], number: int) -> list[str]:
    """Half of them evenly from the decisive places, the others evenly from the rest."""
    decisive = [place for place in places if function(place) in DECISIVE]
    rest = [place for place in places if function(place) not in DECISIVE]
    first = {function(place): place for place in reversed(decisive)}
    others = [place for place in decisive if place not in first.values()]
    half = min(number // 2 - len(first), len(others))
    return [*first.values(), *evenly(others, half), *evenly(rest, number - half - len(first))]


def evenly(places: list[str], number: int) -> list[str]:
    number = min(number, len(places))
    return [places[n * len(places) // number] for n in range(number)]


def test_killed_in_the_notebook(tmp_path: Path):
    """Papermill, its kernel and all, at moments spread over the run; the first of them is left to end."""
    home = Home(tmp_path / "home")
    fill(home, "merge")
    merge = replace(scene(home.path, tmp_path), slices=True)  # which the notebook may take on a busy machine
    began = time.perf_counter()
    assert not papermill(merge, tmp_path / "whole", None)
    seconds = time.perf_counter() - began
    shaken = random.Random(1)
    moments = [seconds * (n + shaken.random()) / NOTEBOOKS for n in range(NOTEBOOKS)]
    with ThreadPoolExecutor(2) as pool:
        killed = sum(pool.map(lambda n: papermill(merge, tmp_path / str(n), moments[n]), range(NOTEBOOKS)))
    assert killed


def papermill(scene: Scene, folder: Path, after: float | None) -> bool:
    """Run the notebook, kill it with all that it has started, look, and run again. Returns: whether it was killed."""
    home = scene.copy(folder)
    sources = Sources.of(home)
    command = [sys.executable, "-m", "papermill", NOTEBOOK, folder / "out.ipynb", "--no-progress-bar"]
    command += ["-p", "ait42_home", home, "-p", "dry_run", "false", "-p", "redact", "false"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
    with suppress(subprocess.TimeoutExpired):
        process.wait(PATIENCE if after is None else after)
    killed = process.poll() is None
    for one in [*psutil.Process(process.pid).children(recursive=True)] if killed else []:
        one.kill()
        one.wait(PATIENCE)
    process.kill()
    process.wait()
    if after is None:
        assert not killed
        require_end(scene, content(home / "sessions.db"))
        return False
    with fault("killed, in papermill"):
        assert Sources.of(home) == sources
        require_tidy(home, killed=True)
        require_whole(scene, content(home / "sessions.db"))
        run(home)
        require_tidy(home)
        require_end(scene, content(home / "sessions.db"))
    return killed
