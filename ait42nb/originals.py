"""The text of any record of a run, found again where it stands: in what was set aside, else in the copy of its file."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from functools import cache, cached_property
from pathlib import Path

from ait42nb import scan
from ait42nb.inventory import File

# What each line of the files of what was set aside begins with.
_PLACE = re.compile(rb'\{"file_no": (\d+), "ordinal": (\d+),')


class Originals:
    """Texts by place: (file_no, ordinal). Each file is looked through once, when its first record is asked for."""

    def __init__(self, files: Sequence[File], aside: Sequence[Path]) -> None:
        self._files, self._aside = files, aside
        self._elements = cache(self._cut)

    def __getitem__(self, place: tuple[int, int]) -> str:
        if place in self._lines:
            path, at = self._lines[place]
            with path.open("rb") as lines:
                lines.seek(at)
                return json.loads(lines.readline())["document"]
        file_no, ordinal = place
        begin, end = self._elements(file_no)[ordinal]
        with scan.opened(self._files[file_no].copy) as text:
            return text[begin:end].decode()

    def at(self, source_path: str, pointer: str) -> str:
        """The text of the record that stands at a pointer in a file."""
        return self[self._numbers[source_path], int(pointer[1:])]

    @cached_property
    def _numbers(self) -> dict[str, int]:
        return {file.source_path: file.file_no for file in self._files}

    @cached_property
    def _lines(self) -> dict[tuple[int, int], tuple[Path, int]]:
        """Where the line of each record lies that was set aside."""
        found: dict[tuple[int, int], tuple[Path, int]] = {}
        for path in self._aside:
            with path.open("rb") as lines:
                at = 0
                for line in lines:
                    file_no, ordinal = map(int, _PLACE.match(line).groups())
                    found[file_no, ordinal] = path, at
                    at += len(line)
        return found

    def _cut(self, file_no: int) -> list[tuple[int, int]]:
        with scan.opened(self._files[file_no].copy) as text:
            return list(scan.Cutter(text, scan.first_byte(text)))
