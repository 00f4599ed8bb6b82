"""validate.ipynb: every difference is named, the verdict has its reasons, and nothing changes."""

from __future__ import annotations

import json
import os
import re
import sqlite3
import subprocess
import sys
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from conftest import Home
from snapshots import snapshot

from ait42nb import validate
from ait42nb.database import connect
from ait42nb.mapping import workspace_hash
from ait42nb.pipeline import Run
from ait42nb.report import read_summary
from ait42nb.samples import instance, message, session
from ait42nb.validate import Difference, History, Reconciliation

ROOT = Path(__file__).parent.parent
APP = "/home/aki/app"
NOW, LATER = "2025-11-02T09:00:00.000Z", "2025-11-03T09:00:00.000Z"


def look(home: Home, **parameters: object) -> Run:
    """What the notebook's cells do; the home is the same afterwards, byte for byte, times and names included."""
    before = seen(home)
    run = validate.start({"ait42_home": str(home.path), "redact": False} | parameters)
    try:
        for step in (validate.examine_database, validate.compare_stores, validate.read_history, validate.judge):
            run.step(step)
    finally:
        run.close()
    assert seen(home) == before
    return run


def seen(home: Home) -> dict[str, tuple]:
    """As root, SQLite gives its side files the owner that they have already, which is a time of change."""
    found = snapshot(home.path)
    for name in {"sessions.db-wal", "sessions.db-shm"} & found.keys():
        found[name] = (*found[name][:3], *found[name][4:])
    return found


def database(home: Home, statement: str, *values: object) -> None:
    with closing(sqlite3.connect(home.database)) as connection, connection:
        connection.execute("pragma foreign_keys = on")
        assert connection.execute(statement, values).rowcount == 1


def differences(home: Home) -> tuple[Difference, ...]:
    run = look(home)
    assert run.failure is None
    return run.get(Reconciliation).differences


@pytest.fixture
def migrated(home: Home) -> Home:
    """Two sessions, alike in both stores."""
    home.write(APP, sessions())
    home.migrate()
    return home


def sessions() -> list[dict]:
    two = [message(id="m1"), message(id="m2", instanceId=1)]
    return [session(id="s", updatedAt=NOW, instances=[instance()], chatHistory=two, note=1), session(id="t")]


# ── Differences ──────────────────────────────────────────────────────────────────────────────────────────────────────


def test_alike(migrated: Home):
    """Nothing differs after a run; the spelling of a time and of a list is no difference."""
    database(migrated, "update sessions set updated_at = '2025-11-02T18:00:00+09:00' where id = 's'")
    database(migrated, "update chat_messages set timestamp = replace(timestamp, '.000Z', 'Z') where id = 'm1'")

    found = look(migrated).get(Reconciliation)

    assert found == Reconciliation(2, 0, ())
    assert found.consistency == 1


# What somebody does in the session of that name, in the database; the fields, instances and messages that differ then.
EDITS = {
    "task": ("update sessions set task = 'x' where id = $id", ("task",), 0, 0),
    "null": ("update sessions set model = 'x' where id = $id", ("model",), 0, 0),
    "instance": ("update instances set branch = 'x' where session_id = $id", ("instances.branch",), 1, 0),
    "message": ("update chat_messages set content = 'x' where id = 'b-' || $id", ("messages.content",), 0, 1),
    "reference": (
        "update chat_messages set instance_id_ref = null where id = 'b-' || $id", ("messages.instance_id",), 0, 1,
    ),
    "message gone": ("delete from chat_messages where id = 'b-' || $id", (), 0, 1),
    "message more": ("insert into chat_messages values ('c-' || $id, $id, null, 'user', 'x', 'y')", (), 0, 1),
    "instance more": (
        "insert into instances (session_id, instance_id, worktree_path, branch, agent_name, status, tmux_session_id)"
        " values ($id, 2, '', '', '', '', '')", (), 1, 0,
    ),
}  # fmt: skip


def test_the_database_is_ahead(home: Home):
    """Whatever somebody wrote there is found and named, and the next run would leave it."""
    home.write(
        APP,
        [
            session(
                id=id_,
                instances=[instance()],
                chatHistory=[message(id=f"a-{id_}"), message(id=f"b-{id_}", instanceId=1)],
            )
            for id_ in EDITS
        ],
    )
    home.migrate()
    with closing(sqlite3.connect(home.database)) as connection, connection:
        for id_, (statement, *_) in EDITS.items():
            assert connection.execute(statement, {"id": id_}).rowcount == 1

    found = {difference.session_id: difference for difference in differences(home)}

    assert found == {id_: Difference(id_, "different", *expected) for id_, (_, *expected) in EDITS.items()}


def test_json_is_ahead(migrated: Home):
    """Fields of all three kinds, unknown keys, and which side is newer; the next run would change it."""
    one, other = sessions()
    one |= {"task": "x", "updatedAt": LATER, "note": 2, "instances": [instance(branch="x")]}
    one["chatHistory"] = [message(id="m1", content="x"), one["chatHistory"][1], message(id="m3")]
    migrated.write(APP, [one, other])

    (found,) = differences(migrated)

    named = ("task", "updated_at", "instances.branch", "messages.content", "unknown keys")
    assert found == Difference("s", "different", named, 1, 2, "json", waits=True)
    migrated.run()
    assert differences(migrated) == ()


def test_unknown_keys_alone(migrated: Home):
    """What no column holds is compared too, also where it went away."""
    for note in ({"note": 2}, {}):
        one, other = sessions()
        del one["note"]
        migrated.write(APP, [one | note, other])
        assert differences(migrated) == (Difference("s", "different", ("unknown keys",), waits=True),)
        migrated.run()
        assert differences(migrated) == ()


def test_the_newer_side(migrated: Home):
    """By updatedAt, as an instant."""
    database(migrated, "update sessions set updated_at = '2025-11-02T18:00:00.1+09:00' where id = 's'")
    assert differences(migrated)[0].newer == "database"


def test_a_conflict_waits(migrated: Home):
    """Also one that the database will win: the next run keeps the loser."""
    database(migrated, "update sessions set task = 'theirs' where id = 's'")
    one, other = sessions()
    migrated.write(APP, [one | {"task": "ours"}, other])
    assert differences(migrated) == (Difference("s", "different", ("task",), waits=True),)


def test_only_on_one_side(migrated: Home):
    """New in JSON waits for a run; what somebody deleted in the database does not; what is new there is no loss."""
    migrated.write(APP, [*sessions(), session(id="new", instances=[instance()])])
    database(migrated, "delete from sessions where id = 's'")
    database(migrated, "update sessions set id = 'theirs' where id = 't'")

    run = look(migrated)

    found = run.get(Reconciliation)
    assert found.differences == (
        Difference("new", "only_in_json", (), 1, 0, waits=True),
        Difference("s", "only_in_json", (), 1, 2),
        Difference("t", "only_in_json"),
        Difference("theirs", "only_in_database"),
    )
    assert (found.equal, found.waiting, found.consistency) == (0, 1, 0)


def test_held(migrated: Home):
    """A held record is neither alike nor different; what the database has of it is not `only in the database`."""
    one, other = sessions()
    migrated.write(APP, [one | {"status": "lost"}, other])

    found = look(migrated).get(Reconciliation)

    assert found == Reconciliation(1, 1, ())
    assert found.consistency == 0.5


def test_a_mapping_counts_as_in_a_migration(home: Home):
    """What a file of parameters tells migrate.ipynb, it tells this notebook; only writing is out of the question."""
    home.write(APP, sessions(), mapped=False)
    parameters = {"workspace_mapping": {workspace_hash(APP): APP}, "dry_run": False, "backup": True, "reread": True}
    home.run(**parameters)
    (home.path / "sessions" / f"{workspace_hash('/b')}.json").write_text("[]")

    run = look(home, **parameters)

    assert run.settings.dry_run
    assert run.get(Reconciliation) == Reconciliation(2, 0, ())


EDITOR = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("update sessions set task = 'x' where id = 's'")
print("open", flush=True)
sys.stdin.read()
"""


def test_an_editor_has_it_open(migrated: Home):
    """What is in its log only is compared, and its side files stay as they are."""
    command = [sys.executable, "-c", EDITOR, migrated.database]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as editor:
        assert editor.stdout.readline() == b"open\n"
        assert migrated.database.with_name("sessions.db-wal").stat().st_size
        assert differences(migrated) == (Difference("s", "different", ("task",)),)
        editor.stdin.close()


# ── Failing ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_strict(migrated: Home):
    """Any difference fails, and so does what is held."""
    assert look(migrated, strict=True).failure is None
    database(migrated, "update sessions set task = 'x' where id = 's'")
    assert look(migrated).failure is None
    assert "the two stores differ: 1 session not alike, 0 sessions held back. The report says how" in str(
        look(migrated, strict=True).failure
    )


@pytest.mark.parametrize(
    ("damage", "count"),
    [
        ("pragma foreign_keys = off; update instances set session_id = 'nobody'", "orphaned_instances"),
        ("pragma ignore_check_constraints = on; update sessions set status = 'lost'", "invalid_statuses"),
    ],
    ids=["orphans", "statuses"],
)
def test_not_valid(migrated: Home, damage, count):
    """The guide's validation fails the notebook, strict or not, after everything was compared."""
    with closing(sqlite3.connect(migrated.database)) as connection:
        connection.executescript(damage)

    run = look(migrated)

    assert "it is not valid. Restore a backup with rollback.ipynb" in str(run.failure)
    assert validate.summarize(run)["validation"][count] > 0
    assert validate.verdict(run)[0].kind == "blocking"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "there is none. Run migrate.ipynb first"),
        (b"", "it has 0 bytes. Run migrate.ipynb first"),
        (b"no database at all" * 100, "rollback.ipynb"),
    ],
    ids=["none", "empty", "damaged"],
)
def test_no_database(home: Home, content, words):
    """What is there instead is said, and what to do."""
    home.write(APP, sessions())
    if content is not None:
        home.database.write_bytes(content)

    run = look(home)

    assert words in str(run.failure)
    assert "Skipped" in str(validate.show_verdict(run)) + str(validate.show_drift(run))
    assert validate.summarize(run)["outcome"] == "failed"


# ── Runs and the verdict ─────────────────────────────────────────────────────────────────────────────────────────────


def nights(home: Home, outcomes: list[str], *, until: datetime | None = None) -> None:
    """So many nightly runs, a day between them; the last has ended an hour ago."""
    end = until or datetime.now(UTC) - timedelta(hours=1)
    with closing(sqlite3.connect(home.database)) as connection, connection:
        connection.execute("delete from migration_runs")
        for back, outcome in enumerate(reversed(outcomes)):
            time = (end - timedelta(days=back)).strftime("%Y-%m-%dT%H:%M:%S.000Z")
            books = {"balance": {"sessions": {"source": 9, "updated": back}, "messages": {"inserted": 1, "held": 5}}}
            row = (time.replace("-", ""), "migrate", time, time, "1", outcome, json.dumps(books))
            connection.execute("insert into migration_runs values (?, ?, ?, ?, ?, ?, ?)", row)


def drill(home: Home) -> None:
    row = ("z", "drill", NOW, NOW, "1", "ok", "{}")
    with closing(sqlite3.connect(home.database)) as connection, connection:
        connection.execute("insert into migration_runs values (?, ?, ?, ?, ?, ?, ?)", row)


def blocking(home: Home) -> list[str]:
    return [line.title for line in validate.verdict(look(home)) if line.kind != "good"]


def test_go(migrated: Home):
    """A week of clean nights, nothing held or waiting, and a restore that was tried."""
    nights(migrated, ["held", *["ok"] * 7])
    drill(migrated)

    run = look(migrated)

    assert "Go: dual writing may end" in str(validate.show_verdict(run))
    assert validate.summarize(run)["verdict"] == {"go": True, "reasons": []}


def test_no_go_with_the_reasons(migrated: Home):
    """Each line of the checklist blocks by itself."""
    nights(migrated, ["ok"] * 7)
    assert blocking(migrated) == ["No restore was tried"]
    drill(migrated)
    nights_without_drill = ["ok", "held", *["ok"] * 6]
    nights(migrated, nights_without_drill)
    drill(migrated)
    assert blocking(migrated) == ["Clean runs on 6 days in a row; 7 are wanted"]
    nights(migrated, ["ok"] * 9, until=datetime(2025, 12, 24, 3, tzinfo=UTC))
    drill(migrated)
    assert blocking(migrated) == ["The last run was at 2025-12-24 03:00"]
    nights(migrated, ["ok"] * 7)
    drill(migrated)
    migrated.write(APP, [*sessions(), session(id="new")])
    assert blocking(migrated) == ["1 session waiting for the next run"]
    migrated.write(APP, [*sessions(), session(id="new", status="lost")])
    assert blocking(migrated) == ["1 session held back"]


def test_many_runs_on_one_day_are_one_clean_day(migrated: Home):
    """Seven runs in one hour are no week."""
    for _ in range(2):
        migrated.migrate()
    status = look(migrated).get(History).status
    assert (status["clean_runs"], status["clean_days"]) == (3, 1)


def test_drift_is_a_picture_with_words(migrated: Home):
    """One bar a run, the oldest first; the first run of all, which put everything in, is none."""
    assert "There was one run so far" in str(validate.show_drift(look(migrated)))
    nights(migrated, ["ok"] * 4)

    shown = validate.show_drift(look(migrated))

    assert [n for _, _, n in look(migrated).get(History).runs] == [1, 2, 3]
    assert "<img" in shown.html() and "Rows that differed when a run came." in shown.html()
    assert "migration_status" in str(shown)


# ── The view ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def status(home: Home) -> dict[str, object]:
    """As an editor asks it, without the kit."""
    with closing(sqlite3.connect(f"file:{home.database}?mode=ro", uri=True)) as connection:
        connection.row_factory = sqlite3.Row
        (row,) = connection.execute("select * from migration_status")
        return dict(row)


def test_status_of_a_database_that_nobody_filled(home: Home):
    """An editor can tell an empty history from one that was not migrated yet."""
    connect(home.database).close()
    assert status(home) == {
        "phase": "not_migrated",
        "last_run": None,
        "last_verified_at": None,
        "clean_runs": 0,
        "clean_days": 0,
        "held": 0,
        "conflicts": 0,
        "drift": 0,
    }


def test_status_after_runs(home: Home):
    """Phase, clean runs, held records, conflicts and drift follow the runs."""
    home.write(APP, sessions())
    home.migrate()
    first = status(home)
    assert first["phase"] == "migrated" and first["last_run"] and first["last_verified_at"]
    assert (first["clean_runs"], first["clean_days"], first["held"], first["drift"]) == (1, 1, 0, 5)

    database(home, "update sessions set task = 'theirs' where id = 's'")
    one, other = sessions()
    home.write(APP, [one | {"task": "ours"}, other, session(id="u", status="lost"), session(id="s")])
    home.run()
    found = status(home)
    assert (found["phase"], found["clean_runs"], found["held"], found["conflicts"]) == ("held", 0, 1, 1)
    assert found["drift"] == 1  # the session; a shadow is none

    home.write(APP, [one | {"task": "ours"}, other])
    home.run()
    found = status(home)
    assert (found["phase"], found["clean_runs"], found["held"], found["conflicts"]) == ("migrated", 1, 0, 1)


def test_a_run_that_was_cut_off_is_not_the_last(migrated: Home):
    """Nor does a run of another kind count."""
    before = status(migrated)
    for row in (("z1", "migrate", NOW, None, "1", None, None), ("z2", "drill", NOW, NOW, "1", "failed", "{}")):
        with closing(sqlite3.connect(migrated.database)) as connection, connection:
            connection.execute("insert into migration_runs values (?, ?, ?, ?, ?, ?, ?)", row)
    assert status(migrated) == before


# ── The notebook ─────────────────────────────────────────────────────────────────────────────────────────────────────

SECRET = "合言葉-hunter2"


def papermill(home: Home, *options: str | Path) -> tuple[int, dict, str]:
    """Exit code, summary, and all that the executed notebook holds; the home is the same afterwards."""
    before, out = snapshot(home.path), home.path.with_name("out.ipynb")
    command = [Path(sys.executable).with_name("papermill"), ROOT / "notebooks/validate.ipynb", out, *options]
    done = run([*command, "--no-progress-bar", "-p", "ait42_home", home.path], home.path.parent)
    assert snapshot(home.path) == before
    return done.returncode, read_summary(out), out.read_text(encoding="utf-8")


def run(command: list[str | Path], person: Path) -> subprocess.CompletedProcess:
    """A command, as a person whose folder is `person` gives it there."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST")}
    return subprocess.run(command, cwd=person, env=environment | {"HOME": str(person)}, capture_output=True, text=True)


def test_the_nightly_job(tmp_path: Path):
    """README's line for cron merges, validates and keeps both notebooks, which give nothing away; it is quiet."""
    person, home = tmp_path, Home(tmp_path / ".ait42")
    (person / "ait42nb").symlink_to(ROOT)
    one = session(id="s", task=SECRET, instances=[instance(output=SECRET)], chatHistory=[message(content=SECRET)])
    home.write(f"/home/{SECRET}", [one, session(id="t", status="lost", task=SECRET)])
    home.run()
    database(home, "update sessions set task = ? where id = 's'", f"{SECRET}!")
    (line,) = re.findall(r"^0 3 \* \* \* (.+)$", (ROOT / "README.md").read_text(encoding="utf-8"), flags=re.M)

    done = run(["sh", "-c", line.replace("\\%", "%").replace(".venv/bin/", f"{Path(sys.executable).parent}/")], person)

    assert (done.returncode, done.stdout) == (0, "")
    migrated, validated = sorted((person / "nightly").glob("*.ipynb"))
    assert read_summary(migrated)["balance"]["sessions"]["database_newer"] == 1
    summary = read_summary(validated)
    assert json.loads(validated.with_suffix(".json").read_text()) == summary
    assert {name: n for name, n in summary["reconciliation"].items() if n} == {"different": 1, "held": 1}
    assert summary["outcome"] == "held" and not summary["verdict"]["go"]
    for notebook in (migrated, validated):
        assert "hunter2" not in notebook.read_text(encoding="utf-8")


def test_the_notebook_fails_in_its_last_cell(home: Home):
    """Under strict, with the whole report before it."""
    home.write(APP, sessions())
    home.migrate()
    database(home, "delete from chat_messages where id = 'm1'")

    code, summary, text = papermill(home, "-p", "strict", "true")

    cells = [cell for cell in json.loads(text)["cells"] if cell["cell_type"] == "code"]
    failing = [cell for cell in cells if any(output["output_type"] == "error" for output in cell["outputs"])]
    assert code == 1 and summary["outcome"] == "failed"
    assert failing == cells[-1:]
    assert "No-go" in text and summary["reconciliation"]["different"] == 1
