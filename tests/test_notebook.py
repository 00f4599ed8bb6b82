"""migrate.ipynb as papermill's command line runs it: in a process of its own, from a folder that is not the kit's."""

from __future__ import annotations

import base64
import contextlib
import copy
import json
import os
import re
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from itertools import count
from pathlib import Path

import nbformat
import pytest
from conftest import Home
from example_homes import examples, lay_out_all, parameters_of_all
from nbdime.diffing.notebooks import diff_notebooks
from pytest_notebook.diffing import diff_to_string, filter_diff
from pytest_notebook.notebook import regex_replace_nb
from snapshots import snapshot

from ait42nb.mapping import workspace_hash
from ait42nb.report import read_summary
from ait42nb.samples import dumps, instance, message, session

ROOT = Path(__file__).parent.parent
NOTEBOOK = ROOT / "notebooks" / "migrate.ipynb"
EXPECTED = Path(__file__).parent / "notebooks" / "migrate.ipynb"

# As root modes count for nothing, unless root gives up its power over them.
UNPRIVILEGED = ("setpriv", "--bounding-set", "-all", "--inh-caps", "-all") if os.geteuid() == 0 else ()


# Running it -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Executed:
    """What papermill left: its exit code, what it said, the notebook; and the home before and after."""

    home: Path
    code: int
    stderr: str
    path: Path
    before: dict[str, tuple]
    after: dict[str, tuple]

    @cached_property
    def notebook(self) -> nbformat.NotebookNode:
        return nbformat.read(self.path, as_version=4)

    @cached_property
    def cells(self) -> list[nbformat.NotebookNode]:
        return [cell for cell in self.notebook.cells if cell.cell_type == "code"]

    @cached_property
    def summary(self) -> dict[str, object]:
        return read_summary(self.path)

    @cached_property
    def errors(self) -> list[str]:
        """What was raised, with the place of its cell from the end."""
        return [
            (place - len(self.cells), output.evalue)
            for place, cell in enumerate(self.cells)
            for output in cell.outputs
            if output.output_type == "error"
        ]

    @cached_property
    def shown(self) -> str:
        """All that a person reads, in plain text."""
        outputs = [output for cell in self.cells for output in cell.outputs]
        return "\n\n".join(output.data["text/plain"] for output in outputs if "data" in output)


def papermill(home: Path, *options: str | Path, by: Iterable[str] = ()) -> Executed:
    """Run the notebook beside a home, with nothing else to be heard on stderr than what somebody has to say."""
    folder = home.parent
    out, elsewhere = folder / f"{home.name}.ipynb", folder / f"{home.name}-elsewhere"
    elsewhere.mkdir()
    (folder / "nobody").mkdir(exist_ok=True)
    # A kernel that sees pytest does not keep papermill's stderr.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    environment |= {"HOME": str(folder / "nobody")}
    command = [*by, Path(sys.executable).with_name("papermill"), NOTEBOOK, out, "--no-progress-bar"]
    command += ["--log-level", "ERROR", "-p", "ait42_home", home, *options]

    before = seen(home)
    done = subprocess.run(command, cwd=elsewhere, env=environment, capture_output=True, text=True, timeout=300)
    return Executed(home, done.returncode, done.stderr, out, before, seen(home))


def seen(home: Path) -> dict[str, tuple]:
    return snapshot(home) if home.exists() else {}


def below(snapshot: dict[str, tuple]) -> dict[str, tuple]:
    """A home without what a real run touches, and leaves as it was: the folder's own times, SQLite's side files."""
    return {name: facts for name, facts in snapshot.items() if name != "." and not name.endswith(("-wal", "-shm"))}


CASES: list[Callable[[Path], Executed]] = []


def case(run: Callable[[Path], Executed]) -> Callable[[Path], Executed]:
    """A run that tests may ask for; it gets a folder of its own."""
    CASES.append(run)
    return run


@pytest.fixture(scope="module")
def executed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Executed]]:
    """Runs a case, once. Meanwhile another thread runs those that are not asked for yet, the last one first."""
    folder = tmp_path_factory.mktemp("notebook")
    for run in CASES:
        (folder / run.__name__).mkdir()
    with ThreadPoolExecutor(1) as pool:
        ahead: dict[Callable, Future] = {run: pool.submit(run, folder / run.__name__) for run in reversed(CASES)}

        def executed(run: Callable[[Path], Executed]) -> Executed:
            if ahead[run].cancel():
                ahead[run] = Future()
                try:
                    ahead[run].set_result(run(folder / run.__name__))
                except Exception as error:
                    ahead[run].set_exception(error)
            return ahead[run].result()

        yield executed
        pool.shutdown(cancel_futures=True)


# Homes ----------------------------------------------------------------------------------------------------------------

APP = "/home/aki/src/app"


def one_session(folder: Path) -> Home:
    home = Home(folder / "home")
    home.write(APP, [session(id="s1", instances=[instance()], chatHistory=[message()])])
    return home


SECRETS: set[str] = set()


def secret(where: str) -> str:
    """A text that occurs nowhere else."""
    SECRETS.add(f"secret{where}")
    return f"secret{where}"


def full_of_secrets(folder: Path) -> Home:
    """A home with a text of somebody's in every place where one can stand, in records that go in and that are held."""
    home = Home(folder / "home")
    worker = instance(
        worktreePath=f"/srv/{secret('worktree')}/1",
        branch=secret("branch"),
        agentName=secret("agent"),
        status=secret("state"),
        tmuxSessionId=secret("tmux"),
        output=secret("output"),
        startTime=secret("start"),
        runtime=secret("runtime"),
        model=secret("model"),
        runtimeLabel=secret("label"),
        **{secret("instancekey"): secret("instancevalue")},
    )
    said = message(
        role=secret("role"),
        content=secret("content"),
        timestamp=secret("time"),
        **{secret("messagekey"): secret("messagevalue")},
    )
    good = session(
        id="s1",
        type=secret("type"),
        task=secret("task"),
        createdAt=secret("created"),
        model=secret("sessionmodel"),
        runtimeMix=[secret("mix")],
        instances=[worker],
        chatHistory=[said],
        **{secret("sessionkey"): secret("sessionvalue")},
    )
    text = dumps(session(id="s2", task=secret("twice"))).replace('"task"', f'"task": "{secret("first")}", "task"', 1)
    held = [
        session(id="s3", status=secret("status")),
        session(id="s4", task=[secret("list")]),
        session(id="s5", timeoutSeconds=secret("number")),
        session(id="s6", instances=[instance(branch=None, agentName=secret("lacking"))]),
        session(id="s7", instances=[instance(), instance(output=secret("namesake"))]),
        session(id="s8", task=f"{secret('half')}\ud800"),
        session(id="s9", winnerId=-1, task=secret("range"), **{secret("heldkey"): secret("heldvalue")}),
        secret("element"),
    ]
    records = [
        dumps(good),
        dumps(good | {"task": secret("shadow")}),
        text,
        *(json.dumps(one, indent=2) for one in held),
    ]
    home.write(f"/home/{secret('workspace')}/app", "[" + ",\n".join(records) + "]")
    home.write(f"/home/{secret('torn')}", dumps([good | {"id": "s10"}, session(id="s11", task=secret("cut"))])[:-700])
    home.write(f"/home/{secret('folder')}", [session(id="s12", task=secret("unmapped"))], mapped=False)
    home.write(f"/home/{secret('object')}", {secret("arraykey"): secret("arrayvalue")})
    home.write(f"/home/{secret('bytes')}", secret("bytetext").encode() + b"\xff")
    home.put(f"{secret('file')}.json", [session(id="s13")])
    (home.path / "sessions" / f"{secret('pipe')}.json").mkdir()
    wrong = home.put("0123456789abcdef.json", [session(id="s14")])
    home.mapping[wrong.stem] = f"/home/{secret('mismatch')}"
    (home.path / "workspace_mapping.json").write_text(json.dumps(home.mapping))
    return home


# A good run -----------------------------------------------------------------------------------------------------------


@case
def published(folder):
    return papermill(one_session(folder).path, "-p", "dry_run", "false", "-p", "summary_path", "summary.json")


def test_a_run_publishes(executed):
    """The main job, from any folder: exit code 0, a verified database, and silence."""
    one = executed(published)

    assert (one.code, one.stderr, one.errors) == (0, "", [])
    assert one.summary["outcome"] == "ok"
    with contextlib.closing(sqlite3.connect(one.home / "sessions.db")) as connection:
        assert connection.execute("select id, instance_count, message_count from sessions").fetchall() == [("s1", 1, 1)]
    assert "[Good] The database is published" in one.shown
    database, backup = sorted(one.after.keys() - one.before.keys())
    assert database == "sessions.db" and re.fullmatch(r"sessions_backup_\d{8}T\d{6}Z\.tar\.gz", backup)


KINDS = ("sessions", "instances", "messages")
PLACES = ("source", "inserted", "updated", "unchanged", "database_newer", "shadowed", "held")
SHAPE = {
    "outcome": str,
    "dry_run": bool,
    "run_id": str,
    "kit_version": str,
    "ait42_home": str,
    "stats": {
        "files_processed": int,
        **{f"{kind}_migrated": int for kind in KINDS},
        "errors": list,
    },
    "balance": {
        **{kind: dict.fromkeys(PLACES, int) for kind in KINDS},
        "files": dict.fromkeys(("found", "empty", "held", "unmapped"), int),
    },
    "rejects": dict,
    "warnings": dict,
    "validation": {
        "session_count": int,
        "instance_count": int,
        "message_count": int,
        "orphaned_instances": int,
        "orphaned_messages": int,
        "invalid_statuses": int,
        "db_size_bytes": int,
        "integrity_ok": bool,
        "values_compared": int,
        "values_different": int,
        "is_valid": bool,
    },
    "timings": dict,
}


def shape(value: object, like: object) -> object:
    """The names and kinds of a summary, as deep as they are fixed; names that are data count as one kind."""
    return {key: shape(v, like.get(key)) for key, v in value.items()} if isinstance(like, dict) else type(value)


@pytest.mark.parametrize("name", ["published", "mixed", "strict", "misspelt", "rehearsed"])
def test_the_summary_has_its_names_and_kinds(executed, name):
    """Whatever became of the run, whoever reads the summary finds the same keys."""
    assert shape(executed(globals()[name]).summary, SHAPE) == SHAPE


def test_the_summary_is_written_to_summary_path_too(executed):
    """What `read_summary` finds in the notebook stands in the file, which is relative to where papermill runs."""
    one = executed(published)

    assert json.loads((one.home.parent / "home-elsewhere" / "summary.json").read_text()) == one.summary
    assert one.summary["ait42_home"] == "(redacted)"
    assert one.summary["balance"]["sessions"] == dict.fromkeys(PLACES, 0) | {"source": 1, "inserted": 1}


# Dry runs -------------------------------------------------------------------------------------------------------------


@case
def rehearsed(folder):
    home = one_session(folder)
    home.migrate()
    home.write(APP, [session(id="s1", task="changed"), session(id="s2")])
    return papermill(home.path, "-f", ROOT / "params" / "dry_run.yaml", "-p", "ait42_home", home.path)


@case
def read_only(folder):
    home = one_session(folder)
    for path in (*home.path.rglob("*"), home.path):
        path.chmod(0o500 if path.is_dir() else 0o400)
    return papermill(home.path, by=UNPRIVILEGED)


@pytest.mark.parametrize("run", [rehearsed, read_only], ids=lambda run: run.__name__)
def test_a_dry_run_writes_nothing(executed, run):
    """Nothing in the home is touched, beside a database or without one, and it says so (invariant 4)."""
    one = executed(run)

    assert one.after == one.before
    assert (one.code, one.stderr, one.summary["outcome"], one.summary["dry_run"]) == (0, "", "ok", True)
    assert one.shown.count("[Dry run]") == 2 and "Nothing was written" in one.shown


def test_a_dry_run_tells_the_effect(executed):
    """What a merge would do stands in the books."""
    books = executed(rehearsed).summary["balance"]

    assert (books["sessions"]["updated"], books["sessions"]["inserted"]) == (1, 1)


# Something is held ----------------------------------------------------------------------------------------------------


@case
def mixed(folder):
    home = folder / "home"
    lay_out_all(home)
    (folder / "accepted.yaml").write_text(dumps(parameters_of_all()))
    production = ROOT / "params" / "production.yaml"
    return papermill(home, "-f", production, "-f", folder / "accepted.yaml", "-p", "ait42_home", home)


def test_what_is_held_does_not_fail_the_run(executed):
    """A home with everything that disks hold: exit code 0, and each example comes out as it does alone."""
    one = executed(mixed)

    assert (one.code, one.stderr, one.summary["outcome"]) == (0, "", "held")
    assert "[Warning] Complete, but something is held back" in one.shown
    for example in examples():
        files = {path.name for path in (example.folder / "home" / "sessions").glob("*.json")}
        files = [f"sessions/{name}" for name in files]
        if not (example.folder / "make.py").exists():
            assert example.found(one.home / "sessions.db", files) == example.wanted(), example.name


@case
def strict(folder):
    return papermill(full_of_secrets(folder).path, "-p", "dry_run", "false", "-p", "strict", "yes")


@case
def unattended(folder):
    home = full_of_secrets(folder)
    return papermill(home.path, "-f", ROOT / "params" / "ci.yaml", "-p", "ait42_home", home.path)


@pytest.mark.parametrize(
    ("run", "why"),
    [(strict, "[0-9]+ files and records are held back"), (unattended, "no workspace path is known for [0-9a-f]{16}, ")],
    ids=["strict", "ci.yaml"],
)
def test_a_failed_run_has_told_everything_before(executed, run, why):
    """Exit code 1 and one sentence, in the last cell; the report before it is complete, and nothing was published."""
    one = executed(run)

    ((place, sentence),) = one.errors
    assert (one.code, one.summary["outcome"], place) == (1, "failed", -1)
    assert re.search(why, sentence) and sentence in one.stderr.splitlines()
    assert sentence.removesuffix(".").partition(": ")[2].partition(". ")[0] in one.shown
    assert all(cell.execution_count for cell in one.cells)
    assert below(one.after) == below(one.before)


# What cannot be -------------------------------------------------------------------------------------------------------


@case
def misspelt(folder):
    return papermill(one_session(folder).path, "-p", "dryrun", "false")


@case
def unclear(folder):
    return papermill(one_session(folder).path, "-p", "dry_run", "maybe")


@case
def absent(folder):
    return papermill(folder / "home", "-p", "dry_run", "false")


@case
def a_file(folder):
    (folder / "home").write_text("[]")
    return papermill(folder / "home", "-p", "dry_run", "false")


@case
def another_folder(folder):
    (folder / "home" / "src").mkdir(parents=True)
    return papermill(folder / "home", "-p", "dry_run", "false")


@case
def protected(folder):
    home = one_session(folder)
    home.path.chmod(0o500)
    return papermill(home.path, "-p", "dry_run", "false", by=UNPRIVILEGED)


@case
def locked(folder):
    home = one_session(folder)
    home.migrate()
    home.write(APP, [session(id="s2")])
    script = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1])
connection.execute("begin immediate")
print("locked", flush=True)
input()"""
    command = [sys.executable, "-c", script, home.database]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as editor:
        assert editor.stdout.readline() == b"locked\n"
        one = papermill(home.path, "-p", "dry_run", "false", "-p", "backup", "no")
        editor.communicate(b"\n")
    return one


@case
def newer(folder):
    home = one_session(folder)
    home.migrate()
    with contextlib.closing(sqlite3.connect(home.database)) as other:
        other.execute("insert into _sqlx_migrations values (99991231235959, 'of tomorrow', '9999', true, x'00', 1)")
        other.commit()
    return papermill(home.path, "-p", "dry_run", "false")


@case
def foreign(folder):
    home = one_session(folder)
    with contextlib.closing(sqlite3.connect(home.database)) as other:
        other.execute("create table songs (title)")
    return papermill(home.path, "-p", "dry_run", "false")


@pytest.mark.parametrize(
    ("run", "where", "words"),
    [
        (misspelt, "parameter dryrun", "Did you mean dry_run?"),
        (unclear, "parameter dry_run", "'maybe' cannot be understood. Give true or false"),
        (absent, "the home", "there is no such folder. Give the editor's folder as ait42_home"),
        (a_file, "the home", "there is no such folder"),
        (another_folder, "the home", "there is no folder 'sessions' in it"),
        (protected, "the home", "may not be written. Give yourself the right (chmod u+w)"),
        (locked, "sessions.db in the home", "Close the editor and run"),
        (newer, "sessions.db in the home", "99991231235959"),
        (foreign, "sessions.db in the home", "it is no session database"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_what_cannot_be_is_said_in_one_sentence(executed, run, where, words):
    """It names the thing and the way out, in the last cell; the report is complete, and the home as it was."""
    one = executed(run)

    ((place, sentence),) = one.errors
    assert (one.code, one.summary["outcome"], place) == (1, "failed", -1)
    assert sentence.startswith(f"{where}: ") and words in sentence
    assert one.stderr.rstrip().endswith(sentence)
    assert one.summary["stats"]["errors"] == [sentence]
    assert sentence.partition(": ")[2].partition(". ")[0] in one.shown and "Traceback" not in one.shown
    assert ("Skipped" in one.shown) == (run is not locked), "it fails where it publishes"
    assert below(one.after) == below(one.before)


@case
def empty(folder):
    (folder / "home" / "sessions").mkdir(parents=True)
    return papermill(folder / "home", "-p", "dry_run", "false")


def test_a_home_without_sessions_is_said_to_be_empty(executed):
    """No failure, but nothing that one could overlook."""
    one = executed(empty)

    assert (one.code, one.summary["outcome"], one.summary["balance"]["files"]["found"]) == (0, "ok", 0)
    assert "There are no session files" in one.shown


# A mapping by YAML ----------------------------------------------------------------------------------------------------


def in_digits(first: str) -> str:
    """A folder whose hash looks like a number that begins so."""
    paths = (f"/home/aki/{number}" for number in count())
    return next(path for path in paths if re.fullmatch(f"{first}[0-9]{{15}}", workspace_hash(path)))


NUMBER, WITH_ZERO = in_digits("[1-9]"), in_digits("0")


@case
def mapped_inline(folder):
    home = Home(folder / "home")
    home.write(NUMBER, [session(id="s1")], mapped=False)
    return papermill(
        home.path, "-y", f"workspace_mapping: {{{workspace_hash(NUMBER)}: {NUMBER}}}", "-p", "dry_run", "no"
    )


@case
def mapped_by_file(folder):
    home = Home(folder / "home")
    hash_ = home.write(WITH_ZERO, [session(id="s1")], mapped=False).stem
    (folder / "more.yaml").write_text(f'dry_run: off\nworkspace_mapping: {{"{hash_}": /home/aki/moved}}\n')
    return papermill(home.path, "-f", folder / "more.yaml", "-p", "accept_hash_mismatch", hash_)


@pytest.mark.parametrize(
    ("run", "path"), [(mapped_inline, NUMBER), (mapped_by_file, "/home/aki/moved")], ids=["inline", "file"]
)
def test_a_mapping_by_yaml(executed, run, path):
    """Given in place; a hash of sixteen digits, which YAML and papermill take for a number, is a hash all the same."""
    one = executed(run)

    assert (one.code, one.stderr) == (0, "")
    with contextlib.closing(sqlite3.connect(one.home / "sessions.db")) as connection:
        assert connection.execute("select workspace_path from sessions").fetchall() == [(path,)]


# What is shown --------------------------------------------------------------------------------------------------------


@case
def redacted(folder):
    """Two weeks of writing both stores: the second run meets conflicts, and what was deleted and made elsewhere."""
    home = full_of_secrets(folder)
    home.run(accept_hash_mismatch=["0123456789abcdef"])
    with contextlib.closing(sqlite3.connect(home.database)) as editor:
        editor.execute("update sessions set task = ?, updated_at = 'later'", (secret("theirs"),))
        editor.execute("delete from chat_messages")
        editor.execute(
            "insert into sessions (id, workspace_path, type, task, status, created_at, updated_at)"
            " values ('s99', ?, 'debate', ?, 'running', '2025', '2025')",
            (f"/home/{secret('elsewhere')}", secret("only")),
        )
        editor.commit()
    for file in home.path.glob("sessions/*.json"):
        if file.is_file():
            home.put(file.name, file.read_bytes().replace(b"secrettask", secret("ours").encode()))
    return papermill(home.path, "-f", ROOT / "params" / "dual_write.yaml", "-p", "ait42_home", home.path)


@case
def open_hearted(folder):
    home = full_of_secrets(folder)
    for file in home.path.glob("sessions/*"):
        os.utime(file, (1_760_000_000, 1_760_000_000))
    return papermill(home.path, "-p", "redact", "False")


@pytest.mark.parametrize("run", [redacted, strict, unattended], ids=lambda run: run.__name__)
def test_redact(executed, run):
    """No text of a person's is anywhere in the notebook's file, not in pictures and folded tables either."""
    one = executed(run)

    assert leaked(one.path.read_text(encoding="utf-8"), SECRETS) == set()
    assert leaked(one.stderr, SECRETS) == set()
    assert leaked(without_papermill(one.notebook), {str(one.home)}) == set()


def leaked(text: str, secrets: set[str]) -> set[str]:
    """Which of the secrets stand in a text, in any case, or in a picture in it."""
    pictures = [base64.b64decode(found).decode() for found in re.findall(r"base64,([A-Za-z0-9+/=]+)", text)]
    text = "\n".join([text, *pictures]).lower()
    return {one for one in secrets if one.lower() in text}


def without_papermill(notebook: nbformat.NotebookNode) -> str:
    """A notebook without what papermill writes into it, which `make report` takes out."""
    rest = copy.deepcopy(notebook)
    del rest.metadata["papermill"]
    rest.cells = [cell for cell in rest.cells if "injected-parameters" not in cell.metadata.get("tags", ())]
    return json.dumps(rest, ensure_ascii=False)


def test_without_redact_it_is_shown(executed):
    """Whoever may see it sees which folders, and what is wrong with the values."""
    one = executed(open_hearted)

    shown = {f"secret{where}" for where in ("workspace", "unmapped", "mismatch", "file", "runtime")}
    assert shown <= leaked(one.path.read_text(encoding="utf-8"), SECRETS)
    assert str(one.home) in one.shown


def test_the_second_run_met_both_stores(executed):
    """That the secrets of a merge could have shown."""
    one = executed(redacted)

    assert (one.code, one.stderr, one.summary["outcome"]) == (0, "", "held")
    assert {"conflict", "deleted_in_database"} <= one.summary["rejects"].keys()


# Regression -----------------------------------------------------------------------------------------------------------

# What is another each time.
CHANGING = [
    (r" in [0-9.,]+ s\b", " in TIME"),
    (r"[0-9]{8}T[0-9]{6}Z-[0-9a-f]{6}", "RUN"),
    (r"/[^ \"]*/open_hearted0?/home", "HOME"),
    (r"ait42nb [0-9.]+, Python [0-9.]+, DuckDB [0-9.]+, SQLite [0-9.]+", "VERSIONS"),
    (r"[0-9.]+ [MGT]B are free", "SPACE are free"),
]
VARYING = {"run_id", "kit_version", "ait42_home", "timings"}
IGNORED = ("/metadata", "/cells/*/id", "/cells/*/metadata", "/cells/*/execution_count")


def test_the_notebook_says_what_it_said(executed, request):
    """Every answer in plain text, and the summary, compared with tests/notebooks; --nb-force-regen writes that anew."""
    shown = copy.deepcopy(executed(open_hearted).notebook)
    shown.metadata = {"kernelspec": shown.metadata.kernelspec}
    shown.cells = [cell for cell in shown.cells if "injected-parameters" not in cell.metadata.get("tags", ())]
    for cell in shown.cells:
        cell.metadata = {}
        for output in cell.get("outputs", ()):
            output.data.pop("text/html", None)
            for name in VARYING & output.data.get("application/json", {}).keys():
                output.data["application/json"][name] = "..."
    shown = regex_replace_nb(shown, [("/cells/*/outputs", *one) for one in CHANGING])
    if request.config.getoption("nb_force_regen"):
        EXPECTED.parent.mkdir(exist_ok=True)
        nbformat.write(shown, EXPECTED)
    expected = nbformat.read(EXPECTED, as_version=4)

    difference = filter_diff(diff_notebooks(expected, shown), IGNORED)
    assert not difference, diff_to_string(expected, difference, use_color=False)
