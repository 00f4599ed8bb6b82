"""The messages' way into the staging file while the sources are read, so that memory need not hold what they say.

At that time nobody knows which of several records with one id goes in, nor who gets an id that several messages have.
So everything lands under its own id, in a table without a key. Once that is decided, `settle` takes out what does not
go in, gives the others their ids, and the table its key.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence, Set
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path

from ait42nb import database
from ait42nb import engine as duck

# When so much of the file is empty pages, it is written once more without them.
_EMPTY = 0.1
# Sorting and joining take memory for each part that they read: small ones that follow each other are laid together.
FULL_PART = 50_000
# What a part of the messages holds until it has landed.
_SAID = ("session_id", "role", "content", "timestamp")


class Landing:
    """The staging file, without triggers, indexes and the messages' key, and how many rows have landed in it.

    `parts` are the tables that `messages` shows, in the order in which they were read, an empty one first. `files` are
    the numbers of those whose messages are to land: their workspace is known.

    SQLite numbers messages from 1, in the order in which they land. Instances are numbered now, and written later.
    """

    def __init__(self, path: Path, files: Set[int]) -> None:
        self.path, self.files = path, files
        self.parts = ["messages_000000"]
        self.messages = self.instances = 0
        self._beside: ThreadPoolExecutor
        self._writing: Future[None] | None = None
        with closing(database.create(path)) as connection:
            self.triggers = database.drop_triggers(connection)
            self.indexes = database.drop_indexes(connection)
            self._keyed = database.drop_key(connection)

    @contextmanager
    def opened(self, engine: duck.Engine) -> Iterator[None]:
        """Let messages land. What writing fails with (DiskFull) is raised at the next call, or at the end."""
        with duck.attached(engine, self.path, "staging", writable=True), ThreadPoolExecutor(1) as self._beside:
            yield
            self._wait()

    def land(self, engine: duck.Engine, part: str, *, mapped: bool) -> None:
        """Add a batch's messages to `messages`, and where they are to land, write them; beside whatever comes next.

        part: the table that holds them; what they say is taken out of it
        """
        self._wait()
        self.parts.append(part)
        self.messages += duck.count(engine, part) if mapped else 0
        self._writing = self._beside.submit(_take_in, engine.cursor(), [*self.parts], mapped)

    def mark(self) -> tuple[int, int, int]:
        """Where to go back to."""
        return len(self.parts), self.messages, self.instances

    def take_back(self, engine: duck.Engine, mark: tuple[int, int, int]) -> None:
        """Forget what has landed since."""
        self._wait()
        parts, messages, instances = mark
        if messages < self.messages:
            duck.run(engine, "landing/take_back", landed=messages)
        dropped, self.parts = self.parts[parts:], self.parts[:parts]
        gather_messages(engine, self.parts)
        for part in dropped:
            engine.execute(f"drop table {part}")
        self.messages, self.instances = messages, instances

    def join_small_parts(self, engine: duck.Engine) -> None:
        """Lay parts of few messages together, when all are there. Changes: messages, sessions.part"""
        numbers: list[int] = []  # of the part that each belongs to now
        former, self.parts = self.parts, self.parts[:1]
        rows = FULL_PART
        for part in former[1:]:
            found = duck.count(engine, part)
            if rows + found > FULL_PART:
                self.parts.append(part)
                rows = 0
            else:
                engine.execute(f"insert into {self.parts[-1]} by name from {part}")
            rows += found
            numbers.append(len(self.parts) - 1)
        if len(self.parts) == len(former):
            return
        engine.execute("update sessions set part = list_extract($numbers, part)", {"numbers": numbers})
        gather_messages(engine, self.parts)
        for part in {*former} - {*self.parts}:
            engine.execute(f"drop table {part}")

    def settle(self, engine: duck.Engine) -> None:
        """Leave what goes in, each message under its id, which is a key from now on.

        Reads: messages, accepted, renamed_messages
        """
        surplus, ids = duck.rows(engine, "landing/surplus"), duck.rows(engine, "landing/derived_ids")
        with closing(database.open_staging(self.path)) as connection, database.driver_errors(self.path):
            with database.transaction(connection):
                connection.executemany(duck.sql("landing/take_out"), surplus)
                connection.executemany(duck.sql("landing/set_id"), ids)
            database.restore_key(connection, self._keyed)
            (empty,) = connection.execute("pragma freelist_count").fetchone()
            (pages,) = connection.execute("pragma page_count").fetchone()
        if empty > _EMPTY * pages:
            database.compact(self.path)

    def _wait(self) -> None:
        if self._writing:
            writing, self._writing = self._writing, None
            writing.result()


def gather_messages(engine: duck.Engine, parts: Sequence[str]) -> None:
    """Make `messages`, in which the parts follow each other. To append to one table takes longer the larger it is."""
    engine.execute(f"create or replace view messages as {' union all by name '.join(f'from {part}' for part in parts)}")


def _take_in(engine: duck.Engine, parts: Sequence[str], mapped: bool) -> None:
    part = parts[-1]
    # Until it is closed, a connection may keep tables in memory that were dropped since.
    with closing(engine), duck.translated("read_documents"):
        if mapped:
            duck.append(engine, "staging.chat_messages", "landing/chat_messages", part=part)
        for column in _SAID:
            engine.execute(f"alter table {part} drop column {column}")
        gather_messages(engine, parts)
