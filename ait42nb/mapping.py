"""Which workspace a file belongs to: hash -> path, proven by hashing the path again, or said by a person."""

from __future__ import annotations

import json
import os
import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from functools import cached_property
from mmap import mmap
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

import yaml

from ait42nb import database, scan
from ait42nb.engine import sql
from ait42nb.errors import SourceError
from ait42nb.home import Home, digest, write_atomically
from ait42nb.inventory import File, Inventory
from ait42nb.redact import file_hash
from ait42nb.stored import Stored

if TYPE_CHECKING:
    from ait42nb.pipeline import Run

# How deep below a search root a git repository is looked for, and where none is.
SEARCH_DEPTH = 6
_SKIPPED = frozenset({"node_modules", "target", "Library", "__pycache__"})
# No system knows a longer path, and a hostile one must not cost the square of its length.
LONGEST_PATH = 4096
# How much of a file is read to see what it begins with: a session's instances stand before its chat.
BEGINNING = 64 << 10
_WORKTREE = re.compile(rb'"worktreePath"\s*+:\s*+("(?:[^"\\]|\\.){1,%d}+")' % LONGEST_PATH)


@dataclass(frozen=True)
class Workspace:
    """One hash. `origin` is given, earlier, worktree or search; `state` is mapped, unmapped_workspace or hash_mismatch.

    A path that a person gave and that does not match is kept in `workspace_path` for the report. `folder` is the same
    for all spellings of one folder.
    """

    workspace_hash: str
    workspace_path: str | None
    origin: str | None
    state: str
    exists_here: bool = False
    folder: object = None


@dataclass(frozen=True)
class Mapped:
    workspaces: tuple[Workspace, ...]

    def __getitem__(self, workspace_hash: str) -> Workspace:
        return self._by_hash[workspace_hash]

    @cached_property
    def _by_hash(self) -> dict[str, Workspace]:
        return {w.workspace_hash: w for w in self.workspaces}

    @property
    def unmapped(self) -> tuple[Workspace, ...]:
        return tuple(w for w in self.workspaces if w.state != "mapped")

    @property
    def split(self) -> tuple[tuple[Workspace, ...], ...]:
        """Folders whose history lies in several files, because they were written in several spellings."""
        spelt = defaultdict(list)
        for workspace in self.workspaces:
            if workspace.state == "mapped":
                spelt[workspace.folder].append(workspace)
        return tuple(tuple(same) for same in spelt.values() if len({w.workspace_path for w in same}) > 1)


# Hashes and spellings


def workspace_hash(path: str) -> str:
    """The editor's name for a workspace: 16 hex digits of SHA-256 over the normalised path (the guide's function)."""
    return digest(normalised(path))


def normalised(path: str) -> str:
    """A path as the editor asks for it: resolved like `realpath` if it exists, else trailing slashes stripped."""
    return _resolved(path) or path.rstrip("/")


def spellings(path: str) -> Iterator[str]:
    """The ways in which one folder can be written, what costs least first.

    As it is, in NFC and in NFD (macOS gives Japanese names decomposed where keyboards write them composed), with its
    links resolved, with and without macOS's /private, and in the case that a disk which ignores case has stored.
    """
    seen: set[str] = set()

    def new(variant: str | None) -> Iterator[str]:
        for form in _forms(variant) if variant else ():
            if form not in seen:
                seen.add(form)
                yield form

    plain = list(new(path.rstrip("/") or "/"))
    yield from plain
    for form in plain:
        for variant in (_resolved(form), _stored_case(form), _other_prefix(form)):
            yield from new(variant)


def _forms(path: str) -> dict[str, None]:
    return dict.fromkeys([path, unicodedata.normalize("NFC", path), unicodedata.normalize("NFD", path)])


def _resolved(path: str) -> str | None:
    try:
        return str(Path(path).resolve(strict=True))
    except (OSError, RuntimeError, ValueError):
        return None


def _other_prefix(path: str) -> str | None:
    if path.startswith("/private/"):
        return path.removeprefix("/private")
    return f"/private{path}" if path.startswith(("/tmp/", "/var/", "/etc/")) else None


def _stored_case(path: str) -> str | None:
    """A path as the disk has stored it, where the disk ignores the case in which it is asked for."""
    try:
        if not os.path.samefile(path, path.swapcase()):
            return None
        stored, *parts = PurePosixPath(path).parts
        for part in parts:
            wanted = _caseless(part)
            names = [name for name in os.listdir(stored) if _caseless(name) == wanted]
            stored = os.path.join(stored, part if part in names or not names else names[0])
        return stored
    except (OSError, ValueError):
        return None


def _caseless(name: str) -> str:
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())


def _folder(path: str) -> object:
    """The same for every spelling of one folder: the folder itself where it is, else its name composed."""
    try:
        status = os.stat(path)
        return status.st_dev, status.st_ino
    except (OSError, ValueError):
        return unicodedata.normalize("NFC", path.removeprefix("/private"))


# The stage


def map_workspaces(run: Run) -> Mapped:
    """Find the path behind every hash. A second call takes what a person has said since.

    Returns: one Workspace a hash, in the files' order
    Raises:  SourceError, when the mapping file cannot be used, or under `on_unmapped = "fail"` when a hash has no path
    Rule:    no guessing (invariant 9): a path counts if its hash matches, or a person accepted that it does not
    """
    files = run.get(Inventory).readable
    hashes = list(dict.fromkeys(f.workspace_hash for f in files))
    given, earlier = given_mapping(run), stored_paths(run.get(Stored).path)
    found = _prove(hashes, given.values(), "given")
    for hash_, path in _accepted(run, earlier | given).items():
        if hash_ in hashes:
            found.setdefault(hash_, (normalised(_expanded(path)), "given"))
    for origin, candidates in _candidates(run, files, earlier):
        missing = [h for h in hashes if h not in found]
        if missing:
            found |= _prove(missing, candidates, origin)
    found |= {f.workspace_hash: (f.record.workspace_path, "earlier") for f in run.get(Inventory).unchanged}
    listed = dict.fromkeys(f.workspace_hash for f in run.get(Inventory).files if f.state in ("read", "unchanged"))
    mapped = Mapped(tuple(_workspace(h, found.get(h), given.get(h)) for h in listed))
    if run.settings.on_unmapped == "fail" and mapped.unmapped:
        unknown = (file_hash(w.workspace_hash, run.settings.redact) for w in mapped.unmapped)
        raise SourceError(
            run.home.mapping,
            f"no workspace path is known for {', '.join(unknown)}",
            'Add each with the path of its workspace, or run with on_unmapped = "hold"',
        )
    return mapped


def _candidates(run: Run, files: Iterable[File], earlier: Mapping[str, str]) -> Iterator[tuple[str, Iterable[str]]]:
    """Where a path may stand that nobody had to type, what costs least first."""
    yield "earlier", earlier.values()
    if before := run.results.get(Mapped):  # the files are the same
        for origin in ("worktree", "search"):
            yield origin, [w.workspace_path for w in before.workspaces if w.origin == origin]
        return
    yield "worktree", _ancestors(_worktree_paths(files))
    yield "search", _repositories(run.settings.search_roots)


def _prove(hashes: Iterable[str], candidates: Iterable[str], origin: str) -> dict[str, tuple[str, str]]:
    """For each hash the spelling of a candidate that it is the hash of, and where the candidate came from."""
    wanted, found = set(hashes), {}
    for candidate in candidates:
        if not wanted:
            break
        for spelling in spellings(_expanded(candidate)):
            hash_ = digest(spelling)
            if hash_ in wanted:
                found[hash_] = (spelling, origin)
                wanted.remove(hash_)
    return found


def _workspace(hash_: str, found: tuple[str, str] | None, given: str | None) -> Workspace:
    path, origin = found or (given, given and "given")
    if path is None:
        return Workspace(hash_, None, None, "unmapped_workspace")
    return Workspace(hash_, path, origin, "mapped" if found else "hash_mismatch", is_folder(path), _folder(path))


def is_folder(path: str) -> bool:
    """Whether there is such a folder on this machine; what cannot be a path is none."""
    try:
        return Path(path).is_dir()
    except (OSError, ValueError):
        return False


def _expanded(path: str) -> str:
    return os.path.expanduser(path) if path.startswith("~") else path


def _ancestors(paths: Iterable[str]) -> Iterator[str]:
    seen: set[str] = set()
    for path in paths:
        for ancestor in (path, *map(str, PurePosixPath(path).parents)):
            if ancestor in seen:
                break
            seen.add(ancestor)
            yield ancestor


def _worktree_paths(files: Iterable[File]) -> Iterator[str]:
    """Every worktree path that stands in the files, read as bytes: most hashes are proven by the first."""
    for file in files:
        with scan.opened(file.copy) as text:
            yield from worktree_paths(text)


def worktree_paths(text: bytes | mmap) -> Iterator[str]:
    """Every worktree path in the text of a file, or of its beginning; each once."""
    seen: set[bytes] = set()
    for match in _WORKTREE.finditer(text):
        if match[1] in seen:
            continue
        seen.add(match[1])
        try:
            yield json.loads(match[1])
        except ValueError:
            continue


def _repositories(roots: Iterable[str]) -> Iterator[str]:
    """Every root, and every git repository below it."""
    for root in roots:
        top = os.path.abspath(os.path.expanduser(root))
        yield top
        for folder, names, others in os.walk(top):
            # In a worktree of git's own, and in a submodule, .git is a file.
            if ".git" in names or ".git" in others:
                yield folder
            deep = folder.count(os.sep) - top.count(os.sep) >= SEARCH_DEPTH
            names[:] = [] if deep else [n for n in names if not n.startswith(".") and n not in _SKIPPED]


def stored_paths(path: Path) -> dict[str, str]:
    """What is stored already, under its hash: by earlier runs, by the editor, by the guide's tool."""
    with closing(database.open_readonly(path)) as connection, database.driver_errors(path):
        return dict(connection.execute(sql("mapping/earlier_paths")))


def find_at_once(run: Run, hashes: Iterable[str], files: Iterable[Path]) -> set[str]:
    """Of these hashes those that are found at once: by what was said, what is stored, and how the files begin."""
    hashes = set(hashes)
    given = given_mapping(run)
    found = set(_prove(hashes, given.values(), "given")) | _accepted(run, given).keys() & hashes
    if database.inspect_database(run.home.database).kind == "ours":
        found |= _prove(hashes - found, stored_paths(run.home.database).values(), "earlier").keys()
    found |= _prove(
        hashes - found, _ancestors(path for file in files for path in _first_paths(file)), "worktree"
    ).keys()
    return found


def _first_paths(file: Path) -> Iterator[str]:
    try:
        # A pipe that has taken the file's place must not hang.
        with open(os.open(file, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as reading:
            yield from worktree_paths(reading.read(BEGINNING))
    except OSError:
        return


# What a person said


def given_mapping(run: Run) -> dict[str, str]:
    """Hash -> path as a person said: the parameter, else the home's own mapping file.

    Raises: SourceError, when the file cannot be used
    """
    given = run.settings.workspace_mapping
    if isinstance(given, Mapping):
        return {hash_: path for hash_, path in given.items() if path}
    if given:
        return read_mapping(Path(given).expanduser(), must_exist=True)
    return read_mapping(run.home.mapping)


def read_mapping(path: Path, *, must_exist: bool = False) -> dict[str, str]:
    """A file of hash -> workspace path, in JSON or YAML; a path that was left empty is none.

    Raises: SourceError, when it is missing, cannot be read, or holds anything else
    """
    if not path.exists() and not must_exist:
        return {}
    if path.exists() and not path.is_file():  # a pipe would be waited for
        raise SourceError(path, "is no file", 'Write a file of {"hash": "/path"} there')
    try:
        text = path.read_text(encoding="utf-8-sig")
        # YAML reads JSON too, but takes a hash of sixteen digits for a number.
        content = json.loads(text) if path.suffix == ".json" else yaml.load(text, Loader=yaml.BaseLoader)
    except FileNotFoundError as error:
        raise SourceError(path, "there is no such file", "Correct workspace_mapping") from error
    except (OSError, ValueError, RecursionError, yaml.YAMLError) as error:
        raise SourceError(path, "cannot be read as a mapping file", 'Write it as {"hash": "/path"}') from error
    content = {} if content is None else content
    if not isinstance(content, dict) or not all(isinstance(p, str) and _is_text(p) for p in content.values()):
        raise SourceError(path, "is no mapping of hash to path", 'Write it as {"hash": "/path"}')
    return {hash_: said for hash_, said in content.items() if said}


def _is_text(path: str) -> bool:
    return "\0" not in path and not scan.has_lone_surrogate(path)


def _accepted(run: Run, given: Mapping[str, str]) -> dict[str, str]:
    """The paths that a person takes although they do not match."""
    accepted = run.settings.accept_hash_mismatch
    if accepted is True:
        return dict(given)
    hashes = read_accepted(run.home).union(accepted or ())
    return {hash_: path for hash_, path in given.items() if hash_ in hashes}


def read_accepted(home: Home) -> frozenset[str]:
    """The hashes that a person ticked in the notebook.

    Raises: SourceError, when the file holds anything else
    """
    try:
        if home.accepted.exists() and not home.accepted.is_file():  # a pipe would be waited for
            raise ValueError("no file")
        ticked = json.loads(home.accepted.read_text(encoding="utf-8")) if home.accepted.exists() else []
        if not isinstance(ticked, list) or not all(isinstance(hash_, str) for hash_ in ticked):
            raise ValueError("no list of hashes")
    except (OSError, ValueError, RecursionError) as error:
        raise SourceError(home.accepted, "cannot be read as a list of hashes", "Correct or remove it") from error
    return frozenset(ticked)


def save_answers(home: Home, answers: Mapping[str, str], accepted: Iterable[str]) -> None:
    """Add a person's answers to the home's own mapping file, and what of them does not match to the accepted ones.

    Raises: SourceError, when a file that is there cannot be used: it is not overwritten
    Rule:   what was there, also meanwhile, is kept
    """
    mapping = read_mapping(home.mapping) | dict(answers)
    ticked = read_accepted(home).difference(answers).union(accepted)
    write_atomically(home.mapping, json.dumps(mapping, indent=2, ensure_ascii=False) + "\n")
    if ticked or home.accepted.exists():
        write_atomically(home.accepted, json.dumps(sorted(ticked), indent=2) + "\n")


# What a file tells of its workspace


@dataclass(frozen=True)
class Glimpse:
    """What helps a person to recognise a file: how many sessions, of which days, their branches, and the first task.

    `worktree` is where its instances worked, though it does not prove the workspace.
    """

    sessions: int = 0
    first: str = ""
    last: str = ""
    branches: tuple[str, ...] = ()
    task: str = ""
    worktree: str = ""


_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}(?=[Tt ])")


def glimpse(file: File) -> Glimpse:
    """Look into a file, a record at a time; what cannot be read does not stop it."""
    count, days, branches, worktrees, task = 0, [], {}, {}, None
    with scan.opened(file.copy) as text:
        start = scan.first_byte(text)
        for begin, end in scan.Cutter(text, start) if text[start : start + 1] == b"[" else ():
            count += 1
            try:
                record = json.loads(text[begin:end])
            except (ValueError, RecursionError):
                continue
            if not isinstance(record, dict):
                continue
            day = _DAY.match(str(record.get("createdAt")))
            days += [day[0]] if day else []
            if isinstance(record.get("task"), str) and (task is None or (day and day[0] < task[0])):
                task = (day[0] if day else "9", record["task"])
            instances = record.get("instances")
            for instance in instances if isinstance(instances, list) else ():
                if isinstance(instance, dict):
                    branches[str(instance.get("branch") or "")] = worktrees[str(instance.get("worktreePath") or "")] = (
                        None
                    )
    return Glimpse(
        count,
        min(days, default=""),
        max(days, default=""),
        tuple(filter(None, branches)),
        task[1] if task else "",
        next((path for path in worktrees if path and not path.startswith("/tmp/")), ""),
    )


# An answer while it is typed


@dataclass(frozen=True)
class Answer:
    """What a typed path is for a hash.

    `state` is empty, relative, matches, parent_matches, other_matches or mismatch; `path` is what would be stored: the
    spelling that the hash proves, or the path as the editor would ask for it; `exists` tells of the folder as typed.
    """

    state: str
    path: str = ""
    exists: bool = False
    other: str = ""


def check_answer(typed: str, hash_: str, others: Iterable[str] = ()) -> Answer:
    """Compare a typed path with the hash, and with those of the other workspaces that are asked for."""
    path = _expanded(typed.strip())
    if not path:
        return Answer("empty")
    if not path.startswith("/") or not _is_text(path):
        return Answer("relative", path)
    exists = is_folder(path)
    if found := _prove([hash_], [path], "given"):
        return Answer("matches", found[hash_][0], exists)
    if other := _prove(others, [path], "given"):
        return Answer("other_matches", normalised(path), exists, next(iter(other)))
    if found := _prove([hash_], _ancestors([path]), "given"):
        return Answer("parent_matches", found[hash_][0], exists)
    return Answer("mismatch", normalised(path), exists)
