"""The copies -> records, in bulk where they are in order; the rest is set aside, whole, for `check` to look at.

DuckDB reads a batch of files at once. A file that it cannot read, or that it reads although it is no JSON, never stops
the others: its elements are cut out one by one.
"""

from __future__ import annotations

import codecs
import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from mmap import mmap
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, NamedTuple, TypeVar

import duckdb

from ait42nb import engine as duck
from ait42nb import scan
from ait42nb.inventory import File, Inventory

if TYPE_CHECKING:
    from ait42nb.check import Lines
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
    `straightened` is what `check` could put in order of it, to be read like any other file.
    """

    readings: dict[int, Reading] = field(default_factory=dict)
    batches: list[Batch] = field(default_factory=list)
    aside: list[Path] = field(default_factory=list)
    straightened: list[Lines] = field(default_factory=list)


class Batch(NamedTuple):
    """Files that were read at once: their paths, and JSON that tells of each its number and its first ordinal."""

    copies: list[str]
    files: str


class Part(NamedTuple):
    """A file, or a piece of a large one that is an array too."""

    path: Path
    file_no: int
    size: int


class _Unreadable(Exception):
    """Among these files is one that bulk reading cannot take."""


def read_documents(run: Run) -> Documents:
    """Read every readable copy.

    Makes:   records, sessions, instances, messages: what is in order
    Returns: Documents: the rest, set aside whole
    Raises:  OutOfMemory, when memory_limit is too small for the largest record
    Rule:    never gives up on a file for one record (invariant 7)
    """
    (run.work / "aside").mkdir(mode=0o700)
    (run.work / "parts").mkdir(mode=0o700)
    duck.run(run.engine, "read/tables")
    documents, files = Documents(), run.get(Inventory).readable
    with (
        duck.joins_in_order(run.engine),
        run.progress("Reading", sum(file.size_bytes for file in files), "bytes") as progress,
    ):
        for group in _grouped(files, lambda file: max(file.size_bytes, _LEAST), batch_bytes(run.engine)):
            _read(run, group, documents)
            progress.step(sum(file.size_bytes for file in group))
    gather_messages(run.engine)
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


def _read(run: Run, files: Sequence[File], documents: Documents) -> None:
    """Read these files in bulk; where that cannot be, each half by itself, down to a single file."""
    path = run.work / "aside" / f"{len(documents.aside):06}.ndjson"
    try:
        documents.batches += _read_in_bulk(run, files, path)
        readings = {file.file_no: Reading() for file in files}
    except _Unreadable:
        if len(files) > 1:
            middle = len(files) // 2
            _read(run, files[:middle], documents)
            _read(run, files[middle:], documents)
            return
        readings = {files[0].file_no: _read_one_by_one(files[0], path)}
    documents.readings |= readings
    documents.aside.append(path)


def _read_in_bulk(run: Run, files: Sequence[File], aside: Path) -> list[Batch]:
    """Read files by DuckDB into the tables, all of them or none.

    Raises: _Unreadable
    """
    if any(file.odd for file in files):
        raise _Unreadable
    most = batch_bytes(run.engine)
    parts = [part for file in files for part in _parts(file, run.work / "parts", most)]
    first = dict.fromkeys((file.file_no for file in files), 0)
    known = len(_message_parts(run.engine))
    try:
        with aside.open("wb") as lines:
            return [
                _read_batch(run, batch, first, lines)
                for batch in _grouped(parts, lambda part: max(part.size, _LEAST), most)
            ]
    except (duckdb.InvalidInputException, duckdb.OutOfMemoryException, UnicodeDecodeError, _Unreadable) as error:
        # DuckDB quotes the text that it cannot read; where that is no UTF-8, quoting fails in its turn.
        _forget(run.engine, list(first), known)
        raise _Unreadable from error


def _forget(engine: duck.Engine, file_nos: list[int], known: int) -> None:
    """Take out what was read of some files. (In a transaction every batch would stay in memory until its end.)

    known: how many parts the messages had before
    """
    for table in ("records", "sessions", "instances"):
        engine.execute(f"delete from {table} where list_contains($file_nos, file_no)", {"file_nos": file_nos})  # noqa: S608
    for part in _message_parts(engine)[known:]:
        engine.execute(f"drop table {part}")


def _read_batch(run: Run, parts: Sequence[Part], first: dict[int, int], aside: BinaryIO) -> Batch:
    copies = [str(part.path) for part in parts]
    # One text instead of lists: those take DuckDB a tenth of a millisecond an element.
    files = [
        {"copy": copy, "file_no": part.file_no, "first": first[part.file_no]}
        for copy, part in zip(copies, parts, strict=True)
    ]
    batch = Batch(copies, json.dumps(files))
    duck.make(run.engine, "read/batch", copies=batch.copies, largest=largest_element(run.engine))
    duck.make(run.engine, "read/places", files=batch.files)
    type_batch(run.engine, repeats=False)
    texts = run.engine.execute(duck.sql("read/batch_texts"))
    # DuckDB's own sha256 takes three times as long.
    sums = [hashlib.sha256(text).hexdigest() for (text,) in _fetched(texts)]
    duck.append(run.engine, "records", "read/add_records", sums=" ".join(sums))
    for file_no, count in duck.rows(run.engine, "read/batch_counts"):
        first[file_no] += count
    odd = run.work / "parts" / "aside.ndjson"
    duck.run(run.engine, "read/set_aside", path=str(odd))
    with odd.open("rb") as lines:
        for line in lines:
            if not scan.is_json(json.loads(line)["document"]):
                raise _Unreadable
            aside.write(line)
    return batch


def _fetched(result: duck.Engine) -> Iterator[tuple]:
    """The rows of a result that is too large for memory."""
    while rows := result.fetchmany(_FETCHED):
        yield from rows


def type_batch(engine: duck.Engine, *, repeats: bool) -> None:
    """Look at what stands in `batch` and `places`, and add what is in order to the tables of all records.

    Makes: batch_records, which tells what is in order; `repeats`: also an element whose id an earlier one has
    """
    duck.make(engine, "read/batch_records", repeats=repeats)
    duck.append(engine, "sessions", "read/add_sessions")
    duck.append(engine, "instances", "read/add_instances")
    duck.make(engine, "read/add_messages", f"messages_{len(_message_parts(engine)):06}")


def read_again(engine: duck.Engine, documents: Documents) -> Iterator[tuple[str, bool]]:
    """Make `batch` and `places` once more, one batch after the other, in the order in which they were read first.

    Returns: of each, the table that has the rest of its messages, and whether it holds records that were put in order
    """
    _, *parts = _message_parts(engine)
    for batch, part in zip((*documents.batches, *documents.straightened), parts, strict=True):
        if isinstance(batch, Batch):
            duck.make(engine, "read/again", "batch", copies=batch.copies, largest=largest_element(engine))
            duck.make(engine, "read/places", files=batch.files)
        else:
            batch.load(engine, "check/straightened", "batch")
            duck.make(engine, "check/places")
        yield part, not isinstance(batch, Batch)


def gather_messages(engine: duck.Engine) -> None:
    """Make `messages`, in which the batches' messages follow each other.

    To append them all to one table takes DuckDB longer the larger it is.
    """
    parts = (f"from {part}" for part in _message_parts(engine))
    engine.execute(f"create or replace view messages as {' union all by name '.join(parts)}")


def _message_parts(engine: duck.Engine) -> list[str]:
    found = engine.execute("select table_name from duckdb_tables() where table_name similar to 'messages_[0-9]+'")
    return sorted(name for (name,) in found.fetchall())


def _parts(file: File, folder: Path, most: int) -> Iterator[Part]:
    """The file itself, or a large one in pieces.

    A piece that was cut in the wrong place (a file in another layout) has open brackets, so DuckDB refuses it.
    """
    if file.size_bytes <= most:
        yield Part(file.copy, file.file_no, file.size_bytes)
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
            yield Part(piece, file.file_no, most)
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
