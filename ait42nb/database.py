"""sessions.db: opening it, bringing its schema up to date, judging its health.

The schema is `migrations/*.sql`, recorded as sqlx records it. A process that holds a connection to a database must
never `open()` or copy that file, nor let DuckDB touch it: SQLite's locks would be lost, and commits with them.
"""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import asdict, dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal

from ait42nb.engine import sql
from ait42nb.errors import Ait42Error, DatabaseLocked, DatabaseRefused, DiskFull, HomeError
from ait42nb.home import give_to_owner

SIDE_FILES = ("-wal", "-shm", "-journal")

# What SQLite says of a disk without space, of one without space for the log's index, and of a file that may not grow.
_FULL = frozenset({"SQLITE_FULL", "SQLITE_IOERR_SHMSIZE", "SQLITE_IOERR_WRITE"})


def get_database_path(ait42_home: str | Path = "~/.ait42") -> Path:
    """The database of a home."""
    return Path(ait42_home).expanduser() / "sessions.db"


def database_path(connection: sqlite3.Connection) -> Path:
    """The file behind a connection."""
    return Path(connection.execute("pragma database_list").fetchone()[2] or ":memory:")


# Errors and transactions


@contextmanager
def driver_errors(path: str | Path, what: str = "") -> Iterator[None]:
    """Turn what sqlite3 raises over a database, or something in it, into the one family of errors.

    Raises: DatabaseLocked, naming who has the file open; DiskFull; DatabaseRefused for everything else
    """
    try:
        yield
    except sqlite3.Error as error:
        raise _translated(Path(path), f"{path}, {what}" if what else str(path), error) from error


def _translated(path: Path, where: str, error: sqlite3.Error) -> Ait42Error:
    code = getattr(error, "sqlite_errorname", None) or ""
    if code.startswith(("SQLITE_BUSY", "SQLITE_LOCKED", "SQLITE_PROTOCOL")):
        by = "; ".join(holders(path))
        problem = f"another program holds the lock ({by})" if by else "another program holds the lock"
        return DatabaseLocked(where, problem, "Close the editor and run this again; what was not complete was undone")
    if code in _FULL:
        problem = "the disk is full, or fails" if code == "SQLITE_IOERR_WRITE" else "the disk is full"
        return DiskFull(where, problem, "Free some space and run this again; what was not complete was undone")
    if code.startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB")):
        return DatabaseRefused(where, f"it is damaged: {error}", "Restore a backup with rollback.ipynb")
    if code.startswith("SQLITE_CONSTRAINT"):
        return DatabaseRefused(where, f"it was not accepted: {error}", "Correct the record")
    if code.startswith("SQLITE_CANTOPEN"):
        return DatabaseRefused(where, "it cannot be opened", "Look whether the file is there and you may read it")
    if code.startswith(("SQLITE_READONLY", "SQLITE_PERM")):
        remedy = "Look at its permissions, and close what open_readonly opened in this process"
        return DatabaseRefused(where, "it cannot be written", remedy)
    return DatabaseRefused(where, f"SQLite failed: {error}", "Look at it with validate.ipynb")


@contextmanager
def _file_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise HomeError(
            path, f"it cannot be used: {error.strerror}", "Look at ait42_home and its permissions"
        ) from error


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """All or nothing under the write lock; inside an open transaction, a part of that one."""
    if connection.in_transaction:
        yield
        return
    connection.execute("begin immediate")
    try:
        yield
        connection.execute("commit")
    except BaseException:
        # a full disk has rolled back already
        if connection.in_transaction:
            connection.rollback()
        raise


# Opening


def connect(path: str | Path, *, timeout: float = 5.0) -> sqlite3.Connection:
    """Open the database for reading and writing; make it, or bring its schema up to date, first.

    What it makes is private (folder 0700, file 0600) whatever the umask. In autocommit mode: write inside
    `transaction(connection)`.

    Raises: DatabaseRefused, before anything is written, for a database that is not the kit's or whose migrations are
            not ours; DatabaseLocked, after `timeout` seconds; HomeError, when it cannot be made
    """
    path = Path(path)
    with _file_errors(path):
        _make_if_missing(path)
    connection = open_existing(path, timeout=timeout)
    try:
        with driver_errors(path):
            state = classify(connection)
            if state.kind == "guide":
                raise DatabaseRefused(path, state.reason, "Run migrate.ipynb, which adopts it")
            if state.kind == "foreign":
                raise DatabaseRefused(path, state.reason, "Look at ait42_home, or move the file away")
            check_migrations(connection)
            _switch_to_wal(connection, timeout)
            apply_migrations(connection)
    except BaseException:
        connection.close()
        raise
    return connection


def open_existing(path: str | Path, *, timeout: float = 5.0) -> sqlite3.Connection:
    """Open a database for reading and writing as it is: nothing is made, no schema applied, no journal mode changed."""
    with driver_errors(path):
        return _open(path, "mode=rw", "pragma foreign_keys = on", "pragma synchronous = normal", timeout=timeout)


def create(path: str | Path) -> sqlite3.Connection:
    """Make a staging file with the whole schema, private to the caller, and open it as `open_staging` does.

    A bulk load takes triggers, indexes and key away first (`drop_triggers`, `drop_indexes`, `drop_key`). Afterwards, in
    this order, it calls `restore_key`, runs the indexes' statements, calls `fill_counts` (quadratic without them) and
    `fill_search`, and runs the triggers' statements.

    Raises: DatabaseRefused, when there is such a file, or a side file of a former one
    """
    path = Path(path)
    with _file_errors(path):
        _refuse_strays(path)
        try:
            _make_file(path)
        except FileExistsError as error:
            raise DatabaseRefused(path, "there is a file already", "Choose another name") from error
    connection = open_staging(path)
    # a quarter off the load of a million messages; one small commit costs the same as with SQLite's own 4096
    connection.execute("pragma page_size = 16384")
    apply_migrations(connection)
    return connection


def compact(path: Path) -> None:
    """Write a staging file once more, without its empty pages. (A plain VACUUM would do so outside its folder.)"""
    compacted = path.with_name(f"{path.name}.compact")
    with driver_errors(path):
        _make_file(compacted)
        with closing(open_staging(path)) as connection:
            connection.execute("vacuum into $compacted", {"compacted": str(compacted)})
        os.replace(compacted, path)


def open_staging(path: str | Path) -> sqlite3.Connection:
    """Open a file that nobody else knows, fast and unprotected: a crash or a failed statement may ruin it.

    Before it is published, `pragma journal_mode = wal` must make it safe; the mode stays in the file.
    """
    with driver_errors(path):
        # two more threads sort what an index is made of
        return _open(path, "mode=rw", "pragma journal_mode = off", "pragma synchronous = off", "pragma threads = 2")


def open_readonly(path: str | Path, *, timeout: float = 5.0) -> sqlite3.Connection:
    """Open a database to look at it; neither it nor its folder changes, whatever state it was left in.

    - Others have it open in WAL mode (-wal and -shm are there), or it was killed: their log is read, and the shared
      index only mapped for reading. While such a connection is open, this process cannot write to the database.
    - A WAL database that nobody has open: read as immutable, because an ordinary reader would leave -wal and -shm.
      Should somebody open it meanwhile and write much, reads may fail or be wrong: ask, and close.
    - Rollback mode: an ordinary reader, with locks.
    - A crash left a log without its index, one with an index that cannot be used, or a journal to be rolled back:
      recovered in a private copy, which goes when the connection is closed.

    Raises: DatabaseRefused, when the file is missing, unreadable or damaged; DatabaseLocked
    """
    path = Path(path)
    with _file_errors(path):
        if not path.is_file():
            raise DatabaseRefused(path, "there is no such file", "Look at ait42_home")
        wal, shm = Path(f"{path}-wal").exists(), Path(f"{path}-shm").exists()
    with driver_errors(path):
        if wal and not shm:
            return _open_copy(path)
        if wal:
            query = "mode=ro&readonly_shm=1"
        elif _in_wal_mode(path):
            query = "mode=ro&immutable=1"
        else:
            query = "mode=ro"
        try:
            return _open(path, query, "pragma schema_version", timeout=timeout)
        except sqlite3.OperationalError as error:
            unusable = error.sqlite_errorname == "SQLITE_PROTOCOL" and not holders(path)
            if error.sqlite_errorname != "SQLITE_READONLY_ROLLBACK" and not unusable:
                raise
        return _open_copy(path)


def _open(path: str | Path, query: str, *pragmas: str, timeout: float = 5.0, factory: type = sqlite3.Connection) -> Any:
    """SQLite opens a file at the first statement that needs it: the pragmas make it say now what is wrong."""
    uri = f"{Path(path).absolute().as_uri()}?{query}"
    connection = sqlite3.connect(uri, uri=True, timeout=timeout, isolation_level=None, factory=factory)
    if hasattr(connection, "setconfig"):  # from Python 3.12 on
        # SQLite as Apple builds it begins so: nobody edits a schema, writes behind a search index, or has no journal.
        connection.setconfig(sqlite3.SQLITE_DBCONFIG_DEFENSIVE, False)
    try:
        for pragma in pragmas:
            connection.execute(pragma)
    except BaseException:
        connection.close()
        raise
    return connection


def _in_wal_mode(path: Path) -> bool:
    """Ask SQLite, because open() would drop this process's locks: without locks it opens no file in WAL mode."""
    try:
        _open(path, "mode=ro&nolock=1", "pragma schema_version").close()
    except sqlite3.OperationalError as error:
        return error.sqlite_errorname == "SQLITE_CANTOPEN"
    return False


class _CopyConnection(sqlite3.Connection):
    folder: tempfile.TemporaryDirectory | None = None

    def close(self) -> None:
        super().close()
        if self.folder:
            self.folder.cleanup()


def _open_copy(path: Path) -> sqlite3.Connection:
    folder = tempfile.TemporaryDirectory(prefix="ait42nb-")
    originals = [path, *(side for side in side_files(path) if not side.name.endswith("-shm"))]
    # in a child process: reading the file here would drop this process's locks on it
    copy = "import shutil, sys; [shutil.copy(name, sys.argv[1]) for name in sys.argv[2:]]"
    copied = subprocess.run([sys.executable, "-I", "-c", copy, folder.name, *originals], capture_output=True)
    if copied.returncode:
        folder.cleanup()
        raise DatabaseRefused(path, "it needs recovery and cannot be copied", "Look at permissions and free space")
    connection = _open(Path(folder.name, path.name), "mode=rw", "pragma schema_version", factory=_CopyConnection)
    connection.folder = folder
    return connection


def _switch_to_wal(connection: sqlite3.Connection, timeout: float) -> None:
    """SQLite does not wait here if several processes switch at once, so this does."""
    end = time.monotonic() + timeout
    while True:
        try:
            (mode,) = connection.execute("pragma journal_mode = wal").fetchone()
            break
        except sqlite3.OperationalError as error:
            if not error.sqlite_errorname.startswith("SQLITE_BUSY") or time.monotonic() > end:
                raise
            time.sleep(0.02)
    if mode != "wal":
        where = database_path(connection)
        raise DatabaseRefused(where, f"it stays in {mode} mode instead of WAL", "Move the home to a local disk")


def _make_if_missing(path: Path) -> None:
    if not path.exists():
        _refuse_strays(path)
        if not path.parent.is_dir():
            path.parent.mkdir(0o700, parents=True, exist_ok=True)
            path.parent.chmod(0o700)
            give_to_owner(path.parent, path.parent.parent)
        # if another process was faster, both go on with its file
        with suppress(FileExistsError):
            _make_file(path)
    elif path.stat().st_size == 0:
        # not the journal: another process that makes the database has one at this moment
        _refuse_strays(path, ("-wal",))
        with suppress(PermissionError):
            path.chmod(0o600)


def _make_file(path: Path) -> None:
    handle = os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600)
    os.fchmod(handle, 0o600)
    os.close(handle)
    give_to_owner(path, path.parent)


def side_files(path: str | Path) -> list[Path]:
    """SQLite's own files that lie beside the database: its log, the log's index, its journal."""
    return [side for suffix in SIDE_FILES if (side := Path(f"{path}{suffix}")).exists()]


def _refuse_strays(path: Path, suffixes: tuple[str, ...] = SIDE_FILES) -> None:
    """SQLite would replay a former database's log into the new one, or delete it."""
    for side in side_files(path):
        if side.name.endswith(suffixes) and side.stat().st_size:
            raise DatabaseRefused(side, "it belongs to a database that is gone", "Move it away and run this again")


# Migrations


@dataclass(frozen=True)
class Migration:
    """One file of `migrations/`, with what sqlx records of it."""

    name: str
    version: int
    description: str
    script: str
    checksum: bytes


@cache
def migrations() -> tuple[Migration, ...]:
    """The schema's versions, oldest first."""
    found = []
    for file in files(__package__).joinpath("migrations").iterdir():
        if file.name.endswith(".sql"):
            version, _, description = file.name.removesuffix(".sql").partition("_")
            content = file.read_bytes()
            checksum = hashlib.sha384(content).digest()
            found.append(Migration(file.name, int(version), description.replace("_", " "), content.decode(), checksum))
    return tuple(sorted(found, key=lambda migration: migration.version))


def check_migrations(connection: sqlite3.Connection) -> list[Migration]:
    """Find the migrations that the database still needs. Only reads.

    Raises: DatabaseRefused, when one of its migrations did not finish, was changed since, or is none of ours
    """
    where = database_path(connection)
    pending = {migration.version: migration for migration in migrations()}
    newest = max(pending)
    with driver_errors(where):
        for version, success, checksum in _applied(connection):
            if not success:
                raise DatabaseRefused(
                    where, f"its migration {version} did not finish", "Restore a backup with rollback.ipynb"
                )
            if version not in pending:
                problem = "is newer than this version of ait42nb" if version > newest else "is unknown to ait42nb"
                raise DatabaseRefused(where, f"its schema {version} {problem}", "Install the ait42nb that goes with it")
            migration = pending.pop(version)
            if checksum != migration.checksum:
                raise DatabaseRefused(
                    where,
                    f"it was made with another text of {migration.name}",
                    "Install the ait42nb that goes with it, or take the editor's copy of the file back",
                )
    return list(pending.values())


def apply_migrations(connection: sqlite3.Connection) -> list[Migration]:
    """Bring the schema up to date, each migration and its record in one transaction, or in the caller's open one.

    Returns: the migrations that were applied
    Raises:  DatabaseRefused, as `check_migrations`, or when one fails: that one is undone
    """
    applied = []
    for migration in check_migrations(connection):
        with driver_errors(database_path(connection), migration.name), transaction(connection):
            if migration not in check_migrations(connection):
                continue  # another process was faster
            started = time.perf_counter_ns()
            connection.execute(sql("database/create_migrations_table"))
            run_script(connection, migration.script)
            connection.execute(
                sql("database/insert_migration"),
                {
                    "version": migration.version,
                    "description": migration.description,
                    "checksum": migration.checksum,
                    "execution_time": time.perf_counter_ns() - started,
                },
            )
            applied.append(migration)
    return applied


def run_script(connection: sqlite3.Connection, script: str) -> None:
    """Execute a script's statements one by one: executescript would commit the open transaction first."""
    statement = ""
    for piece in script.split(";"):
        statement += piece + ";"
        if sqlite3.complete_statement(statement):
            connection.execute(statement)
            statement = ""


def _applied(connection: sqlite3.Connection) -> list[tuple]:
    if "_sqlx_migrations" not in _tables(connection):
        return []
    return connection.execute(sql("database/applied_migrations")).fetchall()


# Bulk loads


def drop_triggers(
    connection: sqlite3.Connection, tables: Iterable[str] = ("sessions", "instances", "chat_messages")
) -> list[str]:
    """Drop these tables' triggers. Those of instances and chat_messages only count.

    Returns: the statements that make them again
    """
    return _drop(connection, "trigger", tables)


def drop_indexes(
    connection: sqlite3.Connection, tables: Iterable[str] = ("sessions", "instances", "chat_messages")
) -> list[str]:
    """Drop these tables' indexes, save those that are part of a constraint.

    Returns: the statements that make them again
    """
    return _drop(connection, "index", tables)


def _drop(connection: sqlite3.Connection, kind: str, tables: Iterable[str]) -> list[str]:
    with driver_errors(database_path(connection)), transaction(connection):
        parameters = {"type": kind, "tables": json.dumps(list(tables))}
        found = connection.execute(sql("database/deferrable"), parameters).fetchall()
        for drop_statement, _ in found:
            connection.execute(drop_statement)
    return [create_statement for _, create_statement in found]


def drop_key(connection: sqlite3.Connection) -> str:
    """Make chat_messages, which is empty, anew without key, triggers and indexes.

    Ids come in any order: to find each one's place in the key's index while they are loaded takes longer than all else.
    Sorting them afterwards does not.

    Returns: the statement that made the table, for `restore_key`
    """
    with driver_errors(database_path(connection)), transaction(connection):
        (statement,) = connection.execute("select sql from sqlite_schema where name = 'chat_messages'").fetchone()
        connection.execute("drop table chat_messages")
        connection.execute(statement.replace(" PRIMARY KEY", "", 1))
    return statement


def restore_key(connection: sqlite3.Connection, statement: str) -> None:
    """Give chat_messages its key again; the schema is then as if it had never been gone.

    Raises: DatabaseRefused, when two messages have one id
    """
    with driver_errors(database_path(connection)), transaction(connection):
        connection.execute("create unique index chat_messages_key on chat_messages (id)")
        connection.execute("pragma writable_schema = on")
        try:
            connection.execute(sql("database/restore_key"), {"statement": statement})
        except sqlite3.DatabaseError:
            # SQLite as Apple builds it, before Python 3.12
            connection.execute("drop index chat_messages_key")
            connection.execute("alter table chat_messages rename to keyless_messages")
            connection.execute(statement)
            connection.execute(sql("database/refill_messages"))
            connection.execute("drop table keyless_messages")
        connection.execute("pragma writable_schema = reset")


def run_statements(connection: sqlite3.Connection, statements: Iterable[str]) -> None:
    """Make again what `drop_triggers` or `drop_indexes` dropped."""
    with driver_errors(database_path(connection)), transaction(connection):
        for statement in statements:
            connection.execute(statement)


def fill_counts(connection: sqlite3.Connection) -> None:
    """Set the sessions' counts once, after a load without triggers; right ones are not written."""
    with driver_errors(database_path(connection)), transaction(connection):
        connection.execute(sql("database/fill_counts"))


def fill_search(connection: sqlite3.Connection) -> None:
    """Make the search index anew from the sessions, in their order."""
    with driver_errors(database_path(connection)), transaction(connection):
        run_script(connection, sql("database/fill_search"))


# Health


@dataclass(frozen=True)
class DatabaseHealth:
    """The guide's health check, and why it failed."""

    session_count: int
    db_size_bytes: int
    integrity_ok: bool
    details: tuple[str, ...] = ()


def check_database_health(
    connection: sqlite3.Connection, *, pages: Callable[[], list[str]] | None = None
) -> DatabaseHealth:
    """Examine every page and index, the references and the search index. Never raises over a damaged file.

    CHECK constraints are examined on a connection that may write; on others SQLite does not even read them.
    The size is that of all pages, those included that still stand in the log.

    pages:  gives what `examine_pages` found, where that runs in a thread of its own
    Raises: DatabaseLocked
    """
    details: list[str] = [] if pages else examine_pages(connection)
    session_count = 0
    with _noted(connection, details):
        details += _reference_problems(connection)
    with _noted(connection, details):
        details += _search_problems(connection)
    with _noted(connection, details):
        (session_count,) = connection.execute("select count(*) from sessions").fetchone()
    details = list(dict.fromkeys([*(pages() if pages else ()), *details]))
    return DatabaseHealth(session_count, _size(connection), not details, tuple(details))


def examine_pages(connection: sqlite3.Connection) -> list[str]:
    """What SQLite finds wrong with pages and indexes; most of what a health check takes. Raises: DatabaseLocked"""
    details: list[str] = []
    with _noted(connection, details):
        details += [row[0] for row in connection.execute("pragma integrity_check(20)") if row[0] != "ok"]
    return details


@contextmanager
def _noted(connection: sqlite3.Connection, details: list[str]) -> Iterator[None]:
    """What SQLite raises over a damaged file is a finding; the same one is noted once."""
    try:
        with driver_errors(database_path(connection)):
            yield
    except DatabaseRefused as error:
        if error.problem not in details:
            details.append(error.problem)


def _reference_problems(connection: sqlite3.Connection) -> list[str]:
    broken = Counter((table, parent) for table, _, parent, _ in connection.execute("pragma foreign_key_check"))
    return [f"{table}: {count} rows refer to {parent} that are not there" for (table, parent), count in broken.items()]


def _search_problems(connection: sqlite3.Connection) -> list[str]:
    """What is wrong with the search index.

    Where SQLite lets nobody write behind one, only its texts are compared; newer integrity checks examine the rest.
    """
    if "search_docs" not in _tables(connection):
        return []
    missing, surplus = connection.execute(sql("database/search_differences")).fetchone()
    problems = [f"sessions_fts: {missing} sessions are not found by their task"] if missing else []
    problems += [f"sessions_fts: {surplus} entries belong to no session"] if surplus else []
    try:
        run_script(connection, sql("database/check_search_index"))
    except sqlite3.DatabaseError as error:
        if "may not be modified" not in str(error):
            if error.sqlite_errorname != "SQLITE_CORRUPT_VTAB":
                raise
            problems.append("sessions_fts: the index is damaged")
    finally:
        connection.execute("drop table if exists temp.search_copy")
    return problems


def _size(connection: sqlite3.Connection) -> int:
    try:
        (pages,) = connection.execute("pragma page_count").fetchone()
        (page_size,) = connection.execute("pragma page_size").fetchone()
        return pages * page_size
    except sqlite3.DatabaseError:
        return database_path(connection).stat().st_size


@dataclass(frozen=True)
class ValidationReport:
    """The guide's validation, and the comparison with the sources, which the guide does not make.

    `str()` is the guide's block of text, line for line. `values_compared` and `values_different` are filled in by who
    compares; `details` says why the integrity check failed.
    """

    session_count: int = 0
    instance_count: int = 0
    message_count: int = 0
    orphaned_instances: int = 0
    orphaned_messages: int = 0
    invalid_statuses: int = 0
    db_size_bytes: int = 0
    integrity_ok: bool = False
    values_compared: int = 0
    values_different: int = 0
    details: tuple[str, ...] = ()

    @property
    def is_valid(self) -> bool:
        wrong = self.orphaned_instances + self.orphaned_messages + self.invalid_statuses + self.values_different
        return self.integrity_ok and wrong == 0

    def to_dict(self) -> dict[str, Any]:
        """The `validation` part of a notebook's summary."""
        fields = asdict(self) | {"is_valid": self.is_valid}
        del fields["details"]
        return fields

    def __str__(self) -> str:
        return "\n".join(
            (
                "=== Migration Validation Report ===",
                f"Sessions:          {self.session_count}",
                f"Instances:         {self.instance_count}",
                f"Messages:          {self.message_count}",
                f"Orphaned instances: {self.orphaned_instances}",
                f"Orphaned messages:  {self.orphaned_messages}",
                f"Invalid statuses:   {self.invalid_statuses}",
                f"Database size:      {self.db_size_bytes // 1024 // 1024} MB",
                f"Integrity check:    {'OK' if self.integrity_ok else 'FAILED'}",
                f"Overall:            {'VALID ✓' if self.is_valid else 'INVALID ✗'}",
            )
        )


def validate(connection: sqlite3.Connection, *, pages: Callable[[], list[str]] | None = None) -> ValidationReport:
    """Validate the database as the guide does. Never raises over a damaged file: what cannot be counted is 0.

    pages:  as in `check_database_health`
    Raises: DatabaseLocked
    """
    details: list[str] = []
    counts: tuple[int, ...] = ()
    with _noted(connection, details):
        counts = connection.execute(sql("database/validate")).fetchone()
    health = check_database_health(connection, pages=pages)
    return ValidationReport(
        *(counts or (0,) * 6),
        db_size_bytes=health.db_size_bytes,
        integrity_ok=health.integrity_ok and bool(counts),
        details=tuple(dict.fromkeys([*health.details, *details])),
    )


# Whose database is it?


@dataclass(frozen=True)
class DatabaseState:
    """What lies where the database should be, and in plain words how one can tell.

    - none: nothing
    - empty: 0 bytes, or no tables
    - ours: the kit's tables; `reason` tells when this version of the kit cannot use them
    - guide: the guide's three tables without the kit's, to be adopted
    - foreign: anything else; not to be touched
    - damaged: no database, or not one whose header and schema can be read. Only `check_database_health` reads the rest
    """

    kind: Literal["none", "empty", "ours", "guide", "foreign", "damaged"]
    reason: str


def inspect_database(path: str | Path) -> DatabaseState:
    """Find out what lies where the database should be. Writes nothing and leaves no side file.

    Raises: DatabaseRefused or HomeError, when the file cannot be read at all; DatabaseLocked
    """
    path = Path(path)
    with _file_errors(path):
        if not os.path.lexists(path):
            strays = ", ".join(side.name for side in side_files(path))
            return DatabaseState("none", f"there is none, but {strays} of a former one" if strays else "there is none")
        if path.is_symlink() and not path.resolve().is_relative_to(path.parent.resolve()):
            return DatabaseState("foreign", "it is a link that leads out of the home")
        if not path.is_file():
            return DatabaseState("foreign", "it is not a file")
        if path.stat().st_size == 0:
            if any(side.stat().st_size for side in side_files(path)):
                return DatabaseState("damaged", "it has 0 bytes, but the log of a former database lies beside it")
            return DatabaseState("empty", "it has 0 bytes")
    try:
        with closing(open_readonly(path)) as connection, driver_errors(path):
            return classify(connection)
    except DatabaseRefused as error:
        code = getattr(error.__cause__, "sqlite_errorname", "SQLITE_CANTOPEN")
        if code.startswith(("SQLITE_CANTOPEN", "SQLITE_READONLY", "SQLITE_PERM", "SQLITE_IOERR")):
            raise
        return DatabaseState("damaged", error.problem)


def classify(connection: sqlite3.Connection) -> DatabaseState:
    """Whose database an open one is."""
    tables, schema = _tables(connection), _schema()
    applied = {version for version, *_ in _applied(connection)}
    own_tables = {table for table in schema if table.startswith("migration_")}
    if own_tables & tables.keys() or applied & {migration.version for migration in migrations()}:
        try:
            check_migrations(connection)
        except DatabaseRefused as error:
            return DatabaseState("ours", error.problem)
        return DatabaseState("ours", "it has the kit's schema")
    if not tables.keys() - {"_sqlx_migrations"} and not applied:
        return DatabaseState("empty", "it has no tables")
    for table in ("sessions", "instances", "chat_messages"):
        if table not in tables:
            return DatabaseState("foreign", f"it is no session database: it has no table {table}")
        for column in tables[table].keys() - schema[table].keys():
            return DatabaseState("foreign", f"its table {table} has a column {column}, which ait42nb does not know")
        for column in schema[table].keys() - tables[table].keys():
            if schema[table][column]:
                return DatabaseState("foreign", f"its table {table} has no column {column}")
    return DatabaseState("guide", "it has the session tables, but was not made by ait42nb")


def _tables(connection: sqlite3.Connection) -> dict[str, dict[str, bool]]:
    """Tables, their columns, and whether a row needs a value for it."""
    tables: dict[str, dict[str, bool]] = {}
    for table, column, needed in connection.execute(sql("database/table_columns")):
        tables.setdefault(table, {}).update({column: bool(needed)} if column else {})
    return tables


@cache
def _schema() -> dict[str, dict[str, bool]]:
    """The schema as the migrations make it: they are its one source."""
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        apply_migrations(connection)
        return _tables(connection)


def holders(path: str | Path) -> list[str]:
    """Other processes that have the database open, as `process 42, name`. Linux only; elsewhere the list is empty.

    A process of another user shows only while it holds a lock; in WAL mode it does so as long as it is connected.
    """
    opened = {_identity(Path(f"{path}{suffix}")) for suffix in ("", *SIDE_FILES)} - {None}
    inodes = {str(inode) for _, inode in opened}
    pids = set()
    with suppress(OSError):
        for line in Path("/proc/locks").read_text().splitlines():
            # "1: POSIX  ADVISORY  READ 8939 fe:00:10094580 128 128"; one that waits has "->" in front
            fields = line.replace("->", "").split()
            if fields[5].rpartition(":")[2] in inodes:
                pids.add(int(fields[4]))
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if any(_identity(descriptor) in opened for descriptor in (process / "fd").iterdir()):
                pids.add(int(process.name))
    return [f"process {pid}{_process_name(pid)}" for pid in sorted(pids - {os.getpid()})]


def _identity(file: Path) -> tuple[int, int] | None:
    try:
        stat = file.stat()
    except OSError:
        return None
    return stat.st_dev, stat.st_ino


def _process_name(pid: int) -> str:
    try:
        return ", " + Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return ""
