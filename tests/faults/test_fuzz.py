"""Files with their bytes damaged at random, many to a home: a run ends well whatever they hold, and nothing is lost.

`FUZZ` says how many files: FUZZ=100000 make test-faults is for a night. A home comes from its number alone, so what one
of them has found happens again: make test-faults ARGS='-k "test_damaged_files[17]"'.
"""

from __future__ import annotations

import os
import signal
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random

import oracle
import pytest
import support
from conftest import Home
from mutations import mutate
from support import FULL, fault

from ait42nb import read, report, samples
from ait42nb.export import export_json
from ait42nb.mapping import workspace_hash
from ait42nb.summary import summarize

pytest_plugins = ["support"]

FILES = int(os.environ.get("FUZZ", "20000" if FULL else "2000"))
FILES_A_HOME = 50
PATIENCE = 120  # for a home that takes a second or two

EXAMPLES = Path(__file__).parents[1] / "examples"
REPORT = (report.inventory, report.workspaces, report.records, report.effect, report.proof, report.books, report.held)

counts: Counter[str] = Counter()
kinds: Counter[str] = Counter()


def tally() -> str:
    fates = ", ".join(f"{counts[fate]:,} {fate}" for fate in ("inserted", "shadowed", "held"))
    how = ", ".join(f"{name} {n:,}" for name, n in sorted(kinds.items()))
    return (
        f"fuzz: {counts['files']:,} mutated files in {counts['homes']:,} homes ({how}): "
        f"{counts['source']:,} sessions = {fates}"
    )


support.told.append(tally)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> list[bytes]:
    """The files of a home as homes are, and those of every example; what is larger than most would only take time."""
    folder = tmp_path_factory.mktemp("corpus")
    samples.write_home(folder, sessions=200, files=70, instances_per_session=2, messages_per_session=4, broken=True)
    files = [*sorted(folder.glob("sessions/*")), *sorted(EXAMPLES.glob("*/home/sessions/*.json"))]
    return [file.read_bytes() for file in files if file.stat().st_size < 40_000]


@contextmanager
def patience(seconds: int) -> Iterator[None]:
    """A hang is a failure of this test, not of the whole suite."""

    def give_up(*_: object) -> None:
        raise AssertionError(f"still running after {seconds} s")

    before = signal.signal(signal.SIGALRM, give_up)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


@pytest.mark.parametrize("number", range(-(-FILES // FILES_A_HOME)))
def test_damaged_files(home: Home, corpus: list[bytes], tmp_path: Path, number: int, monkeypatch: pytest.MonkeyPatch):
    """What is whole goes in, the rest is held, every value is accounted for, and all of it comes back."""
    random = Random(number)
    # Files in pieces and many batches are what large homes have.
    monkeypatch.setattr(read, "BATCH_BYTES", random.choice((read.BATCH_BYTES, read.BATCH_BYTES, 50_000, 200_000)))
    for place, content in enumerate(random.sample(corpus, min(FILES_A_HOME, FILES - number * FILES_A_HOME))):
        content, names = mutate(content, random, corpus)
        counts["files"] += 1
        kinds.update(names)
        if random.random() < 0.95:
            home.write(f"/home/aki/{place}", content, mapped=random.random() < 0.9)
        else:
            home.put(f"{workspace_hash(f'/home/aki/{place}')}.{place}.json", content)

    with fault("damaged files"), patience(PATIENCE):
        run = home.run(redact=random.random() < 0.5)

        assert run.failure is None
        oracle.check(home.path, home.database)
        books = summarize(run)["balance"]
        export_json(home.database, tmp_path / "out")
        assert oracle.compare_export(home.path, tmp_path / "out") == []
        for show in REPORT:
            assert all(show(run)._repr_mimebundle_().values())

    counts["homes"] += 1
    counts.update(books["sessions"])
