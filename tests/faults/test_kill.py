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
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest
import victim
from support import FULL, KILLS, Content, Sources, content, fault, records, require_tidy, start

pytest_plugins = ["support"]

PLACES = 150 if FULL else KILLS
NOTEBOOKS = 20 if FULL else 3
PATIENCE = 120
NOTEBOOK = Path(__file__).parents[2] / "notebooks" / "migrate.ipynb"


@dataclass(frozen=True)
class Scene:
    """A home before a run; what its database says before and after one; how long a run takes, and what it passes."""

    home: Path
    before: Content | None
    after: Content
    seconds: float
    places: list[str]
    slices: bool = False

    def copy(self, folder: Path) -> Path:
        return shutil.copytree(self.home, folder / "home")


def run(home: Path, kill_at: int | None = None, slices: bool = False, after: float | None = None) -> list[str] | None:
    """Migrate in a process of its own. Returns: the places that it passed in publishing; None where it was killed."""
    process, pipe = start(victim.migrate, str(home), kill_at, slices)
    try:
        assert pipe.poll(PATIENCE) and pipe.recv() == "begun"
        if after is not None:
            time.sleep(after)
            process.kill()
        process.join(PATIENCE)
        if process.exitcode == -signal.SIGKILL:
            return None
        assert process.exitcode == 0
        failure, places = pipe.recv()
        assert not failure
        return places
    finally:
        process.kill()
        process.join()
        pipe.close()


def scene(home: Path, folder: Path, *, slices: bool = False) -> Scene:
    """Measure the run from which nobody takes anything away."""
    reference = shutil.copytree(home, folder / "reference")
    began = time.perf_counter()
    run(reference, slices=slices)
    seconds = time.perf_counter() - began
    again = shutil.copytree(home, folder / "again")
    places = run(again, slices=slices)
    assert content(again / "sessions.db") == content(reference / "sessions.db")
    return Scene(home, content(home / "sessions.db"), content(reference / "sessions.db"), seconds, places, slices)


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory, make_home) -> Scene:
    """A first migration."""
    folder = tmp_path_factory.mktemp("first")
    home = make_home(folder / "home")
    for workspace in ("/src/app", "/src/docs"):
        home.write(workspace, [*records(workspace, 4), {"id": "broken"}])
    made = scene(home.path, folder)
    home.migrate()  # the oracle agrees with what is compared with from here on
    assert content(home.database) == made.after
    home.forget()
    return made


@pytest.fixture(scope="module")
def merge(tmp_path_factory: pytest.TempPathFactory, make_home) -> Scene:
    """A merge: of a grown chat, a changed session, new ones and a new workspace, into what is there."""
    folder = tmp_path_factory.mktemp("merge")
    home = make_home(folder / "home")
    home.write("/src/app", records("app", 4))
    home.write("/src/docs", records("docs", 2))
    home.migrate()
    home.write("/src/app", [*records("app", 4, messages=6), *records("new", 3)])
    home.write("/src/docs", records("docs", 2, status="failed", updatedAt="2026-01-01T00:00:00Z"))
    home.write("/src/web", [*records("web", 2), {"id": "broken"}])
    return scene(home.path, folder)


@pytest.fixture(scope="module")
def slices(merge: Scene, tmp_path_factory: pytest.TempPathFactory) -> Scene:
    """The same merge, a session a slice."""
    made = scene(merge.home, tmp_path_factory.mktemp("slices"), slices=True)
    assert made.after == merge.after
    return made


def survive(scene: Scene, folder: Path, **kill: float) -> bool:
    """Kill one run, look, and run again. Returns: whether the run was killed before it had ended."""
    with fault():
        home = scene.copy(folder)
        sources = Sources.of(home)
        killed = run(home, slices=scene.slices, **kill) is None
        assert Sources.of(home) == sources
        require_tidy(home, killed=True)
        require_whole(scene, content(home / "sessions.db"))
        run(home)
        assert Sources.of(home) == sources
        require_tidy(home)
        assert content(home / "sessions.db") == scene.after
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


def by_session(whole: Content) -> dict[str, list[tuple]]:
    """Everything that a slice carries, by the session that it belongs to; row ids follow the slices' order."""
    columns = {"sessions": (0, 0), "instances": (1, 1), "chat_messages": (1, 0), "migration_ledger": (0, 0)}
    found: dict[str, list[tuple]] = {}
    for table, (owner, first_column) in columns.items():
        for row in whole[table]:
            found.setdefault(row[owner], []).append((table, *row[first_column:]))
    return found


def kill_all(scene: Scene, folder: Path, kills: list[dict[str, float]]) -> int:
    """Two at a time, each in a home of its own. Returns: how many runs were killed before they had ended."""
    folders = (folder / str(number) for number in itertools.count())
    with ThreadPoolExecutor(2) as pool:
        return sum(pool.map(lambda kill, where: survive(scene, where, **kill), kills, folders))


@pytest.mark.parametrize("name", ["first", "merge", "slices"])
def test_killed_at_any_time(name: str, request: pytest.FixtureRequest, tmp_path: Path):
    """At moments spread evenly over the whole run, a little shaken."""
    scene = request.getfixturevalue(name)
    shaken = random.Random(name)
    moments = [scene.seconds * (n + shaken.random()) / KILLS for n in range(KILLS)]
    killed = kill_all(scene, tmp_path, [{"after": moment} for moment in moments])
    assert killed >= KILLS / 2, "the runs ended before they were killed"


@pytest.mark.parametrize("name", ["first", "merge", "slices"])
def test_killed_in_publishing(name: str, request: pytest.FixtureRequest, tmp_path: Path):
    """Before and after each rename, each COMMIT, each statement: at every place in the code that the run passes."""
    scene = request.getfixturevalue(name)
    chosen = spread(scene.places, PLACES)
    killed = kill_all(scene, tmp_path, [{"kill_at": place} for place in chosen])
    assert killed >= len(chosen) * 0.9, "the runs took other ways"
    told = {scene.places[place].split(":")[0] for place in chosen}
    assert "database.transaction" in told
    if name == "first":
        assert {"home.rename_without_overwriting", "home.sync_folder", "publish._make_durable"} <= told


def spread(places: list[str], number: int) -> list[int]:
    """The decisive places, then others evenly: the first of its kind each."""
    first_of_its_kind = {place: n for n, place in reversed([*enumerate(places)])}
    decisive = [
        n
        for place, n in first_of_its_kind.items()
        if place.split(":")[0] in ("database.transaction", "home.rename_without_overwriting", "home.sync_folder")
    ]
    others = sorted(set(first_of_its_kind.values()) - set(decisive))
    room = max(0, number - len(decisive))
    return sorted({*decisive, *(others[int(n * len(others) / room)] for n in range(room if others else 0))})


def test_killed_in_the_notebook(first: Scene, tmp_path: Path):
    """Papermill, its kernel and all, at moments spread over the run; the first of them is left to end."""
    shaken = random.Random(1)
    began = time.perf_counter()
    assert not papermill(first, tmp_path / "whole", None)
    seconds = time.perf_counter() - began
    moments = [seconds * (n + shaken.random()) / NOTEBOOKS for n in range(NOTEBOOKS)]
    with ThreadPoolExecutor(2) as pool:
        killed = sum(pool.map(lambda n: papermill(first, tmp_path / str(n), moments[n]), range(NOTEBOOKS)))
    assert killed


def papermill(scene: Scene, folder: Path, after: float | None) -> bool:
    """Run the notebook, kill it with all that it has started, look, and run again. Returns: whether it was killed."""
    home = scene.copy(folder)
    sources = Sources.of(home)
    command = [sys.executable, "-m", "papermill", NOTEBOOK, folder / "out.ipynb", "--no-progress-bar"]
    command += ["-p", "ait42_home", home, "-p", "dry_run", "false", "-p", "redact", "false"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
    try:
        process.wait(PATIENCE if after is None else after)
    except subprocess.TimeoutExpired:
        pass
    killed = process.poll() is None
    for one in [*psutil.Process(process.pid).children(recursive=True)] if killed else []:
        one.kill()
        one.wait(PATIENCE)
    process.kill()
    process.wait()
    if after is None:
        assert not killed and content(home / "sessions.db") == scene.after
        return False
    with fault():
        assert Sources.of(home) == sources
        require_tidy(home, killed=True)
        require_whole(scene, content(home / "sessions.db"))
        run(home)
        require_tidy(home)
        assert content(home / "sessions.db") == scene.after
    return killed
