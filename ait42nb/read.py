"""The copies -> records, in bulk where they are in order; the rest is set aside, whole, for `check` to look at.

DuckDB reads a batch of files at once. A file that it cannot read, or that it reads although it is no JSON, never stops
the others: its elements are cut out one by one. What messages say goes into the staging file at once (see `landing`).
"""

from __future__ import annotations

import codecs
import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from itertools import chain, groupby, pairwise
from mmap import mmap
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, NamedTuple, TypeVar

import duckdb

from ait42nb import engine as duck
from ait42nb import scan
from ait42nb.inventory import File, Inventory
from ait42nb.landing import Landing, gather_messages
from ait42nb.mapping import Mapped

if TYPE_CHECKING:
    from ait42nb.pipeline import Run

T = TypeVar("T")

# A batch is parsed in memory several times over: small enough for memory_limit, large enough that statements are cheap.
BATCH_BYTES = 64 << 20
_BATCHES_IN_MEMORY = 12
LARGEST_ELEMENT = 16 << 20
# So much of a batch a file takes, however small: DuckDB keeps each file's rows, about fifty columns, by themselves.
_LEAST = 200_000
# Where the editor's own layout ends one session and begins the next. A string has no raw line break in it.
_SEAM = b"\n  },\n  {"
_FETCHED = 256


@dataclass(frozen=True)
class Reading:
    """What reading made of one file: read, malformed, not_an_array or invalid_utf8.

    `salvaged` tells that elements were cut out of a text that is no JSON.
    """

    state: str = "read"
    salvaged: bool = False
    detail: str | None = None


@dataclass
class Documents:
    """A Reading for each file that was read; what was read in bulk, and the files of what was set aside.

    Those have one JSON object a line: {file_no, ordinal, document}, and `malformed` where the document is no JSON.
    `landing` is the staging file, in which the messages of both are.
    """

    landing: Landing
    readings: dict[int, Reading] = field(default_factory=dict)
    batches: list[Batch] = field(default_factory=list)
    aside: list[Path] = field(default_factory=list)


class Batch(NamedTuple):
    """Files that were read at once: their paths, and JSON that tells of each its number and its first ordinal."""

    copies: list[str]
    files: str


class Piece(NamedTuple):
    """A file, or a piece of a large one that is an array too."""

    path: Path
    file_no: int
    size: int


class _Unreadable(Exception):
    """Among these files is one that bulk reading cannot take."""


def read_documents(run: Run) -> Documents:
    """Read every readable copy.

    Makes:   records, sessions, instances, messages: what is in order; {work}/staging.db, in which the messages land
             whose workspace is known
    Returns: Documents: the rest, set aside whole
    Raises:  OutOfMemory, when memory_limit is too small for the largest record
    Rule:    never gives up on a file for one record (invariant 7)
    """
    (run.work / "aside").mkdir(mode=0o700)
    (run.work / "parts").mkdir(mode=0o700)
    duck.run(run.engine, "read/tables")
    files, mapped = run.get(Inventory).readable, run.get(Mapped)
    known = {file.file_no for file in files if mapped[file.workspace_hash].state == "mapped"}
    documents = Documents(Landing(run.work / "staging.db", known))
    gather_messages(run.engine, documents.landing.parts)
    with (
        closing(run.engine.cursor()) as another,
        ThreadPoolExecutor(1) as parsing,
        duck.joins_in_order(run.engine),
        documents.landing.opened(run.engine),
        run.progress("Reading", sum(file.size_bytes for file in files), "bytes") as progress,
    ):
        reader = _Reader(run, documents, parsing, another)
        for lands in (True, False):
            some = (file for file in files if (file.file_no in known) is lands)
            groups = _grouped(some, lambda file: max(file.size_bytes, _LEAST), batch_bytes(run.engine))
            plans = ((group, reader.plan(group)) for group in groups)
            for (group, batches), (_, coming) in pairwise(chain(plans, [((), [])])):
                reader.read(group, batches, coming, lands)
                progress.step(sum(file.size_bytes for file in group))
    return documents


def batch_bytes(engine: duck.Engine) -> int:
    """How much is read at once."""
    return min(BATCH_BYTES, duck.memory_limit(engine) // _BATCHES_IN_MEMORY)


def largest_element(engine: duck.Engine) -> int:
    """How large an element is read in bulk; for each thread DuckDB takes several times as much."""
    return min(LARGEST_ELEMENT, max(batch_bytes(engine), 1 << 20))


def _grouped(things: Iterable[T], size_of: Callable[[T], int], most: int) -> Iterator[list[T]]:
    """Neighbours together, up to so many bytes."""
    group: list[T] = []
    total = 0
    for thing in things:
        if group and total + size_of(thing) > most:
            yield group
            group, total = [], 0
        group.append(thing)
        total += size_of(thing)
    if group:
        yield group


class _Reader:
    """Reads files in bulk, a batch at a time; the next one is parsed in a thread while this one is taken apart."""

    def __init__(self, run: Run, documents: Documents, parsing: ThreadPoolExecutor, another: duck.Engine) -> None:
        self.engine, self.work, self.documents, self.landing = run.engine, run.work, documents, documents.landing
        self.parsing, self.another = parsing, another
        self.ahead: tuple[Sequence[Piece], Future[int]] | None = None

    def plan(self, files: Sequence[File]) -> list[list[Piece]]:
        """The batches of some files; none if one of them is known to be more than DuckDB can read."""
        if any(file.odd for file in files):
            return []
        most = batch_bytes(self.engine)
        pieces = (piece for file in files for piece in _pieces(file, self.work / "parts", most))
        return list(_grouped(pieces, lambda piece: max(piece.size, _LEAST), most))

    def read(self, files: Sequence[File], batches: list[list[Piece]], coming: list[list[Piece]], mapped: bool) -> None:
        """Read these files in bulk; where that cannot be, each half by itself, down to a single file.

        batches: as they are planned; coming: those that are read afterwards
        """
        path = self.work / "aside" / f"{len(self.documents.aside):06}.ndjson"
        try:
            self.documents.batches += self._read_in_bulk(files, batches, coming, path, mapped)
            readings = {file.file_no: Reading() for file in files}
        except _Unreadable:
            if len(files) > 1:
                middle = len(files) // 2
                for half in (files[:middle], files[middle:]):
                    self.read(half, self.plan(half), [], mapped)
                return
            readings = {files[0].file_no: _read_one_by_one(files[0], path)}
        self.documents.readings |= readings
        self.documents.aside.append(path)

    def _read_in_bulk(
        self, files: Sequence[File], batches: list[list[Piece]], coming: list[list[Piece]], aside: Path, mapped: bool
    ) -> list[Batch]:
        """Read files by DuckDB into the tables, all of them or none.

        Raises: _Unreadable
        """
        if not batches:
            raise _Unreadable
        first = dict.fromkeys((file.file_no for file in files), 0)
        before = self.landing.mark()
        try:
            with aside.open("wb") as lines:
                return [
                    self._read_batch(batch, then, first, lines, mapped)
                    for batch, then in pairwise([*batches, next(iter(coming), [])])
                ]
        except (duckdb.InvalidInputException, *duck.NO_MEMORY, UnicodeDecodeError, _Unreadable) as error:
            # DuckDB quotes the text that it cannot read; where that is no UTF-8, quoting fails in its turn.
            self.landing.take_back(self.engine, before)
            _forget(self.engine, list(first))
            raise _Unreadable from error

    def _read_batch(
        self, pieces: Sequence[Piece], then: Sequence[Piece], first: dict[int, int], aside: BinaryIO, mapped: bool
    ) -> Batch:
        self._parse(pieces, then)
        copies = [str(piece.path) for piece in pieces]
        # One text instead of lists: those take DuckDB a tenth of a millisecond an element.
        files = [
            {"copy": copy, "file_no": piece.file_no, "first": first[piece.file_no]}
            for copy, piece in zip(copies, pieces, strict=True)
        ]
        batch = Batch(copies, json.dumps(files))
        duck.make(self.engine, "read/places", files=batch.files)
        look_at_batch(self.engine, self.landing, mapped, repeats=False)
        sums = []
        for file_no, ordinal, in_order, text in _texts(self.engine):
            if in_order:
                # DuckDB's own sha256 takes three times as long.
                sums.append(hashlib.sha256(text).hexdigest())
                continue
            document = text.decode()
            if not scan.is_json(document):
                raise _Unreadable
            line = {"file_no": file_no, "ordinal": ordinal, "document": document}
            aside.write(f"{json.dumps(line)}\n".encode())
        add_batch(self.engine, self.landing, mapped)
        if sums:
            duck.append(self.engine, "records", "read/add_records", sums=" ".join(sums))
        for file_no, count in duck.rows(self.engine, "read/batch_counts"):
            first[file_no] += count
        return batch

    def _parse(self, pieces: Sequence[Piece], then: Sequence[Piece]) -> None:
        """Make `batch` of these pieces, and begin with those that come then."""
        ahead, self.ahead = self.ahead, None
        # What it was for may be read otherwise; and what did not fit into memory beside another batch may do so alone.
        if not ahead or isinstance(ahead[1].exception(), duck.NO_MEMORY) or ahead[0] != pieces:
            ahead = pieces, self.parsing.submit(_parse, self.another, pieces)
        ahead[1].result()
        self.engine.execute("drop table if exists batch")
        self.engine.execute("alter table batch_ahead rename to batch")
        if then:
            self.ahead = then, self.parsing.submit(_parse, self.another, then)


def _parse(engine: duck.Engine, pieces: Sequence[Piece]) -> int:
    copies = [str(piece.path) for piece in pieces]
    return duck.make(engine, "read/batch", "batch_ahead", copies=copies, largest=largest_element(engine))


def _forget(engine: duck.Engine, file_nos: list[int]) -> None:
    """Take out what was read of some files. (In a transaction every batch would stay in memory until its end.)"""
    for table in ("records", "sessions", "instances"):
        engine.execute(f"delete from {table} where list_contains($file_nos, file_no)", {"file_nos": file_nos})  # noqa: S608


def _texts(engine: duck.Engine) -> Iterator[tuple[int, int, bool, bytes]]:
    """Of each element of the batch: file_no, ordinal, whether it is in order, and its text as it stands in the file."""
    for copy, listed in groupby(duck.rows(engine, "read/batch_elements"), key=itemgetter(0)):
        elements = [element for _, *element in listed]
        with scan.opened(Path(copy)) as text:
            places = _places(text, [length for length, *_ in elements])
            texts = (text[place] for place in places) if places else _fetched(engine, copy)
            for (_, *element), found in zip(elements, texts, strict=True):
                yield *element, found


def _places(text: mmap, lengths: Sequence[int]) -> list[slice]:
    """Where the elements lie, whose lengths are known, if between them is nothing but what the editor writes there."""
    places, at, seam = [], 0, b"[\n  {"
    for length in lengths:
        if text[at : at + len(seam)] != seam:
            return []
        begin = at + len(seam) - 1
        at, seam = begin + length, b",\n  {"
        places.append(slice(begin, at))
    return places


def _fetched(engine: duck.Engine, copy: str) -> Iterator[bytes]:
    """The elements of a file in another layout."""
    with closing(engine.cursor()) as another:
        another.execute(duck.sql("read/texts"), {"copy": copy, "largest": largest_element(engine)})
        while rows := another.fetchmany(_FETCHED):
            yield from (text for (text,) in rows)


def look_at_batch(engine: duck.Engine, landing: Landing, mapped: bool, *, repeats: bool) -> None:
    """Tell what of `batch` and `places` is in order, and which rows it gets.

    Makes:   batch_records
    mapped:  whether its messages are to land
    repeats: whether an element is in order although an earlier one has its id
    """
    rows = {"instances": landing.instances, "messages": landing.messages if mapped else None}
    duck.make(engine, "read/batch_records", repeats=repeats, **rows)


def add_batch(engine: duck.Engine, landing: Landing, mapped: bool) -> None:
    """Add what is in order of a batch to the tables of all records, and its messages to the staging file.

    Reads: batch, which is gone then; batch_records
    """
    number = len(landing.parts)
    duck.append(engine, "sessions", "read/add_sessions", part=number)
    landing.instances += duck.append(engine, "instances", "read/add_instances")
    duck.make(engine, "read/messages", part := f"messages_{number:06}")
    engine.execute("drop table batch")  # the largest there is
    landing.land(engine, part, mapped=mapped)


def read_again(engine: duck.Engine, documents: Documents) -> Iterator[None]:
    """Make `batch` and `places` once more, one batch after the other."""
    for batch in documents.batches:
        duck.make(engine, "read/again", "batch", copies=batch.copies, largest=largest_element(engine))
        duck.make(engine, "read/places", files=batch.files)
        yield


def _pieces(file: File, folder: Path, most: int) -> Iterator[Piece]:
    """The file itself, or a large one in pieces.

    A piece that was cut in the wrong place (a file in another layout) has open brackets, so DuckDB refuses it.
    """
    if file.size_bytes <= most:
        yield Piece(file.copy, file.file_no, file.size_bytes)
        return
    with scan.opened(file.copy) as text:
        start, number, opening = 0, 0, b""
        while start < len(text):
            seam = text.find(_SEAM, start + most // 2)
            end = len(text) if seam < 0 else seam + _SEAM.index(b",")
            piece = folder / f"{file.file_no:06}-{number:04}.json"
            with piece.open("wb") as writing:
                writing.write(opening + text[start:end] + (b"" if seam < 0 else b"]"))
            # As large as a batch: what follows it begins with an ordinal that is known only when it was read.
            yield Piece(piece, file.file_no, most)
            start, number, opening = end + 1, number + 1, b"["


def _read_one_by_one(file: File, aside: Path) -> Reading:
    """Cut a file's elements out of its text and set all of them aside."""
    with aside.open("w", encoding="utf-8") as lines, scan.opened(file.copy) as text:
        problem = _not_utf8(text)
        if problem:
            return Reading("invalid_utf8", detail=problem)
        start = scan.first_byte(text)
        if text[start : start + 1] != b"[":
            known = scan.is_json(text[start:].decode())
            return Reading("not_an_array" if known else "malformed")
        cutter = scan.Cutter(text, start)
        for ordinal, (begin, end) in enumerate(cutter):
            document = text[begin:end].decode()
            line = {"file_no": file.file_no, "ordinal": ordinal, "document": document}
            if not scan.is_json(document):
                cutter.whole = False
                line["malformed"] = True
            json.dump(line, lines)
            lines.write("\n")
    if cutter.whole:
        return Reading()
    return Reading("malformed", salvaged=aside.stat().st_size > 0, detail=cutter.stopped)


def _not_utf8(text: mmap) -> str | None:
    decoder = codecs.getincrementaldecoder("utf-8")()
    step = 1 << 20
    for at in range(0, len(text), step):
        try:
            decoder.decode(text[at : at + step], final=at + step >= len(text))
        except UnicodeDecodeError as error:
            return f"byte {at + error.start - len(decoder.getstate()[0]):,} is no UTF-8"
    return None
