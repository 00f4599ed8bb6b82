"""Measure speed and memory, beside what people would do instead. `make bench ARGS=--quick` takes a minute.

Leaves results.json, results.md and two pictures in benchmarks/results (--quick: in build/bench/results).
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import sys
from collections.abc import Iterable
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

import homes  # noqa: E402
import measure  # noqa: E402
import report  # noqa: E402
from rivals import RIVALS  # noqa: E402

PARTS = ("sizes", "rivals", "again", "merge", "shapes")
# What takes minutes is measured once.
SLOW = ("guide", "sqlite_json")
QUICK = ("guide_10", "guide_100", "guide_500")


class Bench:
    """Measures, and keeps what it found in `results`."""

    def __init__(self, folder: Path, rounds: int) -> None:
        self.folder, self.rounds = folder, rounds
        self.results: dict[str, object] = {"machine": measure.machine()}

    def sizes(self, made: Iterable[homes.Made]) -> None:
        """The whole migration, and by stage; and how long it takes merely to copy its files and its database."""
        self.results["sizes"] = {}
        for each in made:
            found = self._kit(each)
            copied = [measure.copied(self.folder / "run", self.folder / "copied") for _ in range(self.rounds)]
            self.results["sizes"][each.name] = found | {"copied": statistics.median(copied)}

    def shapes(self, made: Iterable[homes.Made]) -> None:
        """What could be quadratic in something else than messages: each also half as large."""
        self.results["shapes"] = {
            each.name: self._kit(each, rounds=1) | {"half": self._kit(each.half, rounds=1)} for each in made
        }

    def rivals(self, made: homes.Made) -> None:
        """All ways in turn, so that a slow minute is everybody's."""
        home = homes.home_of(made, self.folder)
        runs: dict[str, list[dict[str, object]]] = {}
        for turn in range(self.rounds):
            run = homes.copy_of(home, self.folder)
            runs.setdefault("kit", []).append(self._measured("kit", run, "backup=false"))
            for name in RIVALS:
                if turn and name in SLOW:
                    continue
                target = self._fresh("rival.db")
                # The floor reads the database that the kit has just made.
                source = run if name == "floor" else home
                if name == "floor":
                    shutil.copy(home / "workspace_mapping.json", run)
                runs.setdefault(name, []).append(self._measured("rival", name, source, target))
        found = {name: measure.median(each) for name, each in runs.items()}
        backup = {
            "alone": self._measured("backup", homes.copy_of(home, self.folder))["stages"]["back_up"],
            "beside": self._measured("kit", homes.copy_of(home, self.folder))["wall"] - found["kit"]["wall"],
        }
        self.results["rivals"] = {"home": made.name, "messages": made.total, "backup": backup, "ways": found}

    def again(self, made: homes.Made) -> None:
        """A second run: nothing changed, one file changed."""
        run = homes.copy_of(homes.home_of(made, self.folder), self.folder)
        found = {"first": self._measured("kit", run), "nothing": self._measured("kit", run)}
        homes.rewrite(run, homes.change(1), files=1)
        found["one_file"] = self._measured("kit", run)
        self.results["again"] = {"home": made.name, "files": made.files, "runs": found}

    def merge(self, made: homes.Made) -> None:
        """Into a database that an editor writes to meanwhile: nothing, one in a hundred, everything changed."""
        found = {}
        for name, every in (("nothing", 0), ("a hundredth", 100), ("everything", 1)):
            run = homes.copy_of(homes.home_of(made, self.folder), self.folder)
            self._measured("kit", run, "backup=false")
            if every:
                homes.rewrite(run, homes.change(every))
            with measure.beside(run / "sessions.db", self.folder / "stop") as writer:
                result = self._measured("kit", run, "backup=false", "reread=true")
            found[name] = result | {"writer": writer}
        self.results["merge"] = {"home": made.name, "runs": found}

    def _kit(self, made: homes.Made, rounds: int | None = None) -> dict[str, object]:
        home = homes.home_of(made, self.folder)
        runs = [
            self._measured("kit", homes.copy_of(home, self.folder), "backup=false")
            for _ in range(rounds or self.rounds)
        ]
        facts = {"files": made.files, "sessions": made.sessions, "bytes": homes.size_of(home)}
        return measure.median(runs) | facts | {"messages": runs[0]["messages"]["source"]}

    def _measured(self, *arguments: object) -> dict[str, object]:
        result = measure.measured(*arguments)
        shown = " ".join(Path(str(each)).name for each in arguments[:3])
        print(f"{shown:40} {result['wall']:8.2f} s {result['memory'] / 1e6:8,.0f} MB", flush=True)
        return result

    def _fresh(self, name: str) -> Path:
        for suffix in ("", "-wal", "-shm"):
            (self.folder / f"{name}{suffix}").unlink(missing_ok=True)
        return self.folder / name


def main() -> None:
    parser = argparse.ArgumentParser(prog="benchmarks/run.py", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="small homes, one round: whether it runs at all")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS, help="leave out the others")
    parser.add_argument("--sizes", nargs="+", choices=[each.name for each in homes.SIZES], help="the homes of `sizes`")
    parser.add_argument("--rounds", type=int, default=3, help="medians of so many runs (3)")
    parser.add_argument("--folder", type=Path, default=HERE.parent / "build" / "bench", help="for the made-up homes")
    asked = parser.parse_args()
    folder = asked.folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    bench = Bench(folder, 1 if asked.quick else asked.rounds)
    names = asked.sizes or (QUICK if asked.quick else [each.name for each in homes.SIZES])
    large = homes.BY_NAME["guide_500"] if asked.quick else homes.TARGET
    shapes = [homes.Made("quick_held", 5, 50, 3, 10, homes.hold_a_third)] if asked.quick else homes.SHAPES
    work = {
        "sizes": [homes.BY_NAME[name] for name in names],
        "rivals": large,
        "again": large,
        "merge": large,
        "shapes": shapes,
    }
    place = folder / "results" if asked.quick else HERE / "results"
    place.mkdir(exist_ok=True)
    former = place / "results.json"
    if former.exists() and set(asked.only) != set(PARTS):
        bench.results = json.loads(former.read_text(encoding="utf-8")) | bench.results
    for part in asked.only:
        getattr(bench, part)(work[part])
        former.write_text(json.dumps(bench.results, indent=1) + "\n", encoding="utf-8")
    report.write(bench.results, place)
    shutil.rmtree(folder / "run", ignore_errors=True)
    print((place / "results.md").read_text(encoding="utf-8"))


if __name__ == "__main__":
    main()
