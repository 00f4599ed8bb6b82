"""DuckDB with its SQLite extension, and the SQL files that run on it.

The only place where a path is written into SQL text: ATTACH takes no parameters.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib import import_module
from importlib.resources import files
from pathlib import Path

import duckdb

from ait42nb.errors import Ait42Error, DiskFull, EngineError, OutOfMemory

Engine = duckdb.DuckDBPyConnection

# Nothing is fetched, nothing is kept beside the work folder, and no table is mistaken for a Python variable.
_OFF = (
    "autoinstall_known_extensions",
    "autoload_known_extensions",
    "allow_community_extensions",
    "allow_persistent_secrets",
    "python_enable_replacements",
)

# How DuckDB, and SQLite in it, tell of a full disk; the last is all that SQLite says where it cannot make a side file.
_NO_SPACE = ("disk is full", "no space left", "max_temp_directory_size", "file too large", "disk i/o error")

# What does not fit into memory_limit fails with the first; a commit that does not fit with the second, and advice.
NO_MEMORY = (duckdb.OutOfMemoryException, duckdb.TransactionException)
_ADVICE = "increasing the memory limit"

# Of each engine; None is one less than there are cores: SQLite works beside it, and more only get in each other's way.
# The workers of a fleet share the cores.
THREADS: int | None = None


def connect(work: Path, memory_limit: str = "600MB") -> Engine:
    """An in-memory DuckDB that spills to `work/spill` and reads and writes files below `work` only.

    Raises: EngineError, when the SQLite extension cannot be loaded or `memory_limit` is no size
    Rule:   no SQL can undo what is set here; needs no network and writes nothing into the user's home, where the
            extension's wheel is installed
    """
    spill = work / "spill"
    spill.mkdir(mode=0o700, exist_ok=True)
    engine = duckdb.connect(config=dict.fromkeys(_OFF, False))
    try:
        engine.execute("set memory_limit = $limit", {"limit": memory_limit})
    except (duckdb.ParserException, duckdb.InvalidInputException) as error:
        raise EngineError(
            f"memory_limit = {memory_limit!r}", "is not a size", "Give one such as 600MB or 2GB"
        ) from error
    (cores,) = engine.execute("select current_setting('threads')").fetchone()
    engine.execute("set threads = $threads", {"threads": THREADS or max(1, cores - 1)})
    engine.execute("set temp_directory = $spill", {"spill": str(spill)})
    # The progress bar of DuckDB prints over a notebook's own.
    engine.execute("set enable_progress_bar = false")
    _load_sqlite(engine)
    # ATTACH of a SQLite file is not held back by this (measured); reading and COPY are.
    engine.execute("set allowed_directories = $allowed", {"allowed": [str(work)]})
    engine.execute("set enable_external_access = false")
    engine.execute("set allowed_configs = ['disabled_optimizers']")
    engine.execute("set lock_configuration = true")
    engine.execute(sql("engine/macros"))
    return engine


def _load_sqlite(engine: Engine) -> None:
    try:
        package = import_module("duckdb_extension_sqlite_scanner")
    except ImportError:
        return _install_sqlite(engine)
    wanted = f"extensions/v{duckdb.__version__}/sqlite_scanner.duckdb_extension"
    extension = files(package) / wanted
    if not extension.is_file():
        raise EngineError(
            "duckdb-extension-sqlite-scanner",
            f"does not fit the installed DuckDB {duckdb.__version__}",
            "Install both in the one version that pyproject.toml names",
        )
    engine.load_extension(str(extension))


def _install_sqlite(engine: Engine) -> None:
    """Platforms without a wheel: DuckDB fetches its extension itself, once, beside the installed packages."""
    folder = Path(sys.prefix) / "share" / "ait42nb" / "duckdb-extensions"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        engine.execute("set extension_directory = $folder", {"folder": str(folder)})
        engine.install_extension("sqlite")
        engine.load_extension("sqlite")
    except (duckdb.Error, OSError) as error:
        raise EngineError(
            "DuckDB's SQLite extension",
            "has no wheel for this platform and could not be fetched by DuckDB itself",
            "Connect to the network once and run again, or run on Linux x86-64 or macOS",
        ) from error


@cache
def sql(name: str) -> str:
    """The text of `ait42nb/sql/{name}.sql`."""
    return (files("ait42nb") / "sql" / f"{name}.sql").read_text(encoding="utf-8")


def make(engine: Engine, name: str, table: str = "", **parameters: object) -> int:
    """Make the table that `sql/{name}.sql` selects, named like the file or as told; return its number of rows."""
    table = table or name.rpartition("/")[2]
    # Files are bare SELECTs, so that each can be run alone; the newline keeps a last comment from eating the bracket.
    engine.execute(f"create or replace table {table} as (\n{sql(name)}\n)", parameters or None)
    return count(engine, table)


def view(engine: Engine, name: str) -> None:
    """As `make`, but nothing is computed before it is asked for."""
    engine.execute(f"create or replace temp view {name.rpartition('/')[2]} as (\n{sql(name)}\n)")


def append(engine: Engine, table: str, name: str, **parameters: object) -> int:
    """Add what `sql/{name}.sql` selects to a table that has columns of the same names; return how many rows."""
    return engine.execute(f"insert into {table} by name (\n{sql(name)}\n)", parameters or None).fetchone()[0]


def run(engine: Engine, name: str, **parameters: object) -> None:
    """Run the one statement of `sql/{name}.sql`."""
    engine.execute(sql(name), parameters or None)


def rows(engine: Engine, name: str, **parameters: object) -> list[tuple]:
    """The rows that `sql/{name}.sql` selects."""
    return engine.execute(sql(name), parameters or None).fetchall()


def memory_limit(engine: Engine) -> int:
    """In bytes; DuckDB gives it as text, such as 572.2 MiB."""
    number, unit = engine.execute("select current_setting('memory_limit')").fetchone()[0].split()
    return int(float(number) * 1024 ** ("bytes", "KiB", "MiB", "GiB", "TiB").index(unit))


def count(engine: Engine, table: str) -> int:
    return engine.table(table).aggregate("count(*)").fetchone()[0]


@contextmanager
def attached(engine: Engine, database: Path, name: str, *, writable: bool = False) -> Iterator[None]:
    """Attach a private SQLite file of the work folder, or a backup, under `name`.

    The only ATTACH there is, because DuckDB does not hold it to the allowed folders. Never of the live database: this
    process would lose its locks on it.
    """
    quoted = str(database).replace("'", "''")
    options = "type sqlite, journal_mode 'off'" if writable else "type sqlite, read_only"
    engine.execute(f"attach '{quoted}' as {name} ({options})")
    try:
        yield
    finally:
        engine.execute(f"detach {name}")


@contextmanager
def joins_in_order(engine: Engine) -> Iterator[None]:
    """Let joins give their rows in the order of their left side, as they are written.

    Else DuckDB may turn a join round, where it takes the left side for the smaller one, and loses that order.
    """
    engine.execute("set disabled_optimizers = 'join_order, build_side_probe_side'")
    try:
        yield
    finally:
        engine.execute("reset disabled_optimizers")


@contextmanager
def translated(where: str, limit: str = "memory_limit") -> Iterator[None]:
    """Turn DuckDB's errors into ours."""
    try:
        yield
    except duckdb.Error as error:
        raise translate(error, where) from error


def translate(error: duckdb.Error, where: str) -> Ait42Error:
    text = str(error).lower()
    if any(words in text for words in _NO_SPACE):
        return DiskFull(where, "no space is left on the disk", "Free some space and run again; nothing was published")
    if isinstance(error, duckdb.OutOfMemoryException) or _ADVICE in text:
        return OutOfMemory(where, "memory_limit is too small", "Run again with a larger memory_limit, such as 2GB")
    return EngineError(
        where,
        f"DuckDB failed ({type(error).__name__})",
        "Nothing was published; run again, and if it stays, please report this",
    )
