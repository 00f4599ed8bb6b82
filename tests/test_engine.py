"""DuckDB as the kit uses it, and the SQL files that run on it."""

from __future__ import annotations

import os
import re
import sqlite3
import subprocess
import sys
from contextlib import closing
from importlib.resources import files
from pathlib import Path

import duckdb
import pytest

from ait42nb import engine as duck
from ait42nb.errors import DiskFull, EngineError, OutOfMemory

ROOT = Path(__file__).parents[1]
PACKAGE = Path(str(files("ait42nb")))
SQL = sorted(PACKAGE.glob("sql/**/*.sql"))
ENGINE = re.compile(r"\b(DuckDB|SQLite)\b")


@pytest.fixture
def engine(tmp_path: Path):
    with closing(duck.connect(tmp_path)) as engine:
        yield engine


def code() -> str:
    return "\n".join(path.read_text(encoding="utf-8") for path in sorted(PACKAGE.rglob("*.py")))


def test_every_sql_file_begins_with_a_comment():
    """What it is, and which engine runs it: each can be read alone."""
    heads = {path: path.read_text(encoding="utf-8").split("\n\n")[0] for path in SQL}
    assert len(heads) > 50
    assert [path for path, head in heads.items() if not re.match(r"-- .", head) or not ENGINE.search(head)] == []


def test_every_sql_file_is_used():
    """By a name that stands in the code, where what is in braces may be anything."""
    quoted = re.findall(r"""["']([a-z_]+(?:/(?:[a-z_]|\{[^}]*\})+)+)["']""", code())
    used = [re.compile(re.sub(r"\{[^}]*\}", "[a-z_]+", name)) for name in set(quoted)]
    names = [str(path.relative_to(PACKAGE / "sql").with_suffix("")) for path in SQL]
    assert [name for name in names if not any(pattern.fullmatch(name) for pattern in used)] == []


def test_every_name_in_the_code_has_a_file():
    """A misspelt name would be found by the run that needs it."""
    calls = r'(?:sql|duck\.(?:make|run|rows|view|append))\([^"()]*"([a-z_]+/[a-z_/]+)"'
    found = set(re.findall(calls, code()))
    assert len(found) > 30
    assert {name for name in found if not (PACKAGE / "sql" / f"{name}.sql").exists()} == set()


def test_the_engine_reads_below_its_folder_alone(engine, tmp_path: Path):
    """A hostile name cannot make it read another file, nor write one."""
    outside = tmp_path.parent / "secret.json"
    outside.write_text("[1]")
    (tmp_path / "inside.json").write_text("[1]")
    assert engine.execute("select count(*) from read_text($f)", {"f": str(tmp_path / "inside.json")}).fetchone() == (1,)
    for statement in ("select * from read_text($f)", "copy (select 1) to $f"):
        with pytest.raises(duckdb.PermissionException):
            engine.execute(statement, {"f": str(outside)})


@pytest.mark.parametrize(
    "statement",
    [
        "set enable_external_access = true",
        "set allowed_directories = ['/']",
        "set lock_configuration = false",
        "set temp_directory = '/tmp'",
        "install httpfs",
        "load '/tmp/evil.duckdb_extension'",
        "copy (select 1) to '/tmp/out.csv'",
        "attach '/tmp/other.duckdb' as other",
        "export database '/tmp/all'",
        "create persistent secret s (type http)",
        "select * from outside",
    ],
)
def test_no_sql_opens_it_again(engine, statement: str):
    """What the settings shut stays shut, whatever text should ever come to be run."""
    outside = engine.sql("select 1")  # a Python variable is no table
    with pytest.raises(duckdb.Error):
        engine.execute(statement)
    assert outside.fetchone() == (1,)


def test_one_place_attaches():
    """DuckDB does not hold ATTACH of a SQLite file to the allowed folders: paths for it come from one function."""
    found = [path.name for path in PACKAGE.rglob("*.py") if re.search(r"f?[\"']attach '", path.read_text("utf-8"))]
    assert found == ["engine.py"]
    assert not [path for path in SQL if re.search(r"^attach", path.read_text("utf-8"), re.M | re.I)]


def test_a_staging_file_is_attached_and_let_go(engine, tmp_path: Path):
    """Its path may hold quotes; afterwards nothing holds it open."""
    path = tmp_path / "it's; --.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("create table t (a text)")
    with duck.attached(engine, path, "staging", writable=True):
        engine.execute("insert into staging.t values ('日本語')")
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("select * from t").fetchall() == [("日本語",)]
    assert not [fd for fd in Path("/proc/self/fd").iterdir() if os.path.realpath(fd) == str(path)]
    assert not list(tmp_path.glob("*-journal"))


def test_a_file_that_is_only_read_cannot_be_written(engine, tmp_path: Path):
    path = tmp_path / "a.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("create table t (a text)")
    with duck.attached(engine, path, "staging"), pytest.raises(duckdb.Error):
        engine.execute("insert into staging.t values ('x')")


def test_errors_are_told_in_our_words():
    """What to do is in the sentence; the library's own words stay in the cause."""
    for error, kind, words in (
        (duckdb.OutOfMemoryException("…"), OutOfMemory, "Run again with a larger memory_limit"),
        (duckdb.TransactionException("Failed … * Increasing the memory limit …"), OutOfMemory, "larger memory_limit"),
        (duckdb.TransactionException("Catalog write-write conflict"), EngineError, "please report this"),
        (duckdb.IOException("IO Error: No space left on device"), DiskFull, "Free some space"),
        (duckdb.OutOfMemoryException("max_temp_directory_size exceeded"), DiskFull, "Free some space"),
        (duckdb.ConversionException('could not convert "secret"'), EngineError, "please report this"),
    ):
        with pytest.raises(kind, match=words) as caught, duck.translated("read_documents"):
            raise error
        assert caught.value.__cause__ is error
        assert "secret" not in str(caught.value)


def test_a_memory_limit_that_is_no_size(tmp_path: Path):
    with pytest.raises(EngineError, match=r"memory_limit = 'much': is not a size\. Give one such as 600MB"):
        duck.connect(tmp_path, "much")


def test_too_little_memory_is_told(home):
    """Not taken for a file that cannot be read."""
    home.write("/home/aki/app", [{"id": f"{n}", "task": "x" * 1000} for n in range(20_000)])
    run = home.run(memory_limit="20MB")
    assert isinstance(run.failure, OutOfMemory)
    assert not home.database.exists()


ALONE = """
import builtins, json, os, socket, sys
refused = {"matplotlib", "pandas", "numpy", "pyarrow", "polars", "plotly", "altair"}
imported = builtins.__import__

def import_(name, *rest, **more):
    if name.split(".")[0] in refused:
        raise ModuleNotFoundError(name)
    return imported(name, *rest, **more)

def connect(*_):
    raise AssertionError("the network was asked for")

builtins.__import__ = import_
socket.socket.connect = socket.create_connection = socket.getaddrinfo = connect

from ait42nb import pipeline, report
from ait42nb.summary import summarize

run = pipeline.migrate(ait42_home=sys.argv[1], dry_run=False)
print(json.dumps({"failure": str(run.failure), "outcome": summarize(run)["outcome"]}))
"""


def test_without_plotting_libraries_without_network_and_nothing_in_the_users_home(home, tmp_path: Path):
    """The kit needs nothing but what it names, asks nobody, and leaves nothing behind in HOME or the working folder."""
    home.write("/home/aki/app", [])
    folders = {name: tmp_path / name for name in ("user", "work", "tmp")}
    for folder in folders.values():
        folder.mkdir()
    environment = {
        "HOME": str(folders["user"]),
        "TMPDIR": str(folders["tmp"]),
        "PATH": os.defpath,
        "PYTHONPATH": str(ROOT),
    }

    done = subprocess.run(
        [sys.executable, "-c", ALONE, str(home.path)],
        cwd=folders["work"],
        env=environment,
        capture_output=True,
        text=True,
    )

    assert done.stdout == '{"failure": "None", "outcome": "ok"}\n', done.stderr
    assert [list(folder.iterdir()) for folder in folders.values()] == [[], [], []]
