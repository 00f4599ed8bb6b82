"""Which workspace a file belongs to: hash -> path, proven by hashing the path again, or said by a person."""

from __future__ import annotations

import hashlib
import json
import os
import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

import yaml

from ait42nb import scan
from ait42nb.errors import SourceError
from ait42nb.inventory import File, Inventory

if TYPE_CHECKING:
    from ait42nb.pipeline import Run

# How deep below a search root a git repository is looked for, and where none is.
SEARCH_DEPTH = 6
_SKIPPED = frozenset({"node_modules", "target", "Library", "__pycache__"})
_WORKTREE = re.compile(rb'"worktreePath"\s*:\s*("(?:[^"\\]|\\.)*")')


@dataclass(frozen=True)
class Workspace:
    """One hash. `origin` is given, worktree or search; `state` is mapped, unmapped_workspace or hash_mismatch.

    A path that a person gave and that does not match is kept in `workspace_path` for the report.
    """

    workspace_hash: str
    workspace_path: str | None
    origin: str | None
    state: str
    exists_here: bool = False


@dataclass(frozen=True)
class Mapped:
    workspaces: tuple[Workspace, ...]

    def __getitem__(self, workspace_hash: str) -> Workspace:
        return next(w for w in self.workspaces if w.workspace_hash == workspace_hash)

    @property
    def unmapped(self) -> tuple[Workspace, ...]:
        return tuple(w for w in self.workspaces if w.state != "mapped")


def workspace_hash(path: str) -> str:
    """The editor's name for a workspace: 16 hex digits of SHA-256 over the normalised path.

    Rule: resolved like `realpath` if it exists, else trailing slashes stripped (the guide's `workspace_hash`)
    """
    try:
        normalised = str(Path(path).resolve(strict=True))
    except (OSError, RuntimeError, ValueError):
        normalised = path.rstrip("/")
    return digest(normalised)


def digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()[:16]


def map_workspaces(run: Run) -> Mapped:
    """Find the path behind every hash.

    Returns: one Workspace a hash, in the files' order
    Raises:  SourceError, when the mapping file cannot be used, or under `on_unmapped = "fail"` when a hash has no path
    Rule:    no guessing (invariant 9): a path counts if its hash matches, or a person accepted that it does not
    """
    settings = run.settings
    files = run.get(Inventory).readable
    hashes = list(dict.fromkeys(f.workspace_hash for f in files))
    given = _given(run)
    proven = {h: (path, "given") for h, path in _prove(hashes, given.values()).items()}
    missing = [h for h in hashes if h not in proven]
    if missing:
        found = _prove(missing, _ancestors(_worktree_paths(files)))
        proven |= {h: (path, "worktree") for h, path in found.items()}
    missing = [h for h in missing if h not in proven]
    if missing and settings.search_roots:
        found = _prove(missing, _repositories(settings.search_roots))
        proven |= {h: (path, "search") for h, path in found.items()}
    accepted = _accepted(run)
    mapped = Mapped(tuple(_workspace(h, proven.get(h), given.get(h), accepted) for h in hashes))
    if settings.on_unmapped == "fail" and mapped.unmapped:
        raise SourceError(
            run.home.mapping,
            "no workspace path is known for " + ", ".join(w.workspace_hash for w in mapped.unmapped),
            'Add {"hash": "/path/of/the/workspace"} for each, or run with on_unmapped = "hold"',
        )
    return mapped


def _workspace(
    hash_: str, proven: tuple[str, str] | None, given: str | None, accepted: bool | frozenset[str]
) -> Workspace:
    if proven:
        path, origin = proven
        return Workspace(hash_, path, origin, "mapped", _is_folder(path))
    if given is None:
        return Workspace(hash_, None, None, "unmapped_workspace")
    agreed = accepted is True or (accepted and hash_ in accepted)
    return Workspace(hash_, given, "given", "mapped" if agreed else "hash_mismatch", _is_folder(given))


def _is_folder(path: str) -> bool:
    try:
        return Path(path).is_dir()
    except (OSError, ValueError):
        return False


def _prove(hashes: Iterable[str], candidates: Iterable[str]) -> dict[str, str]:
    """For each hash the spelling of a candidate that it is the hash of."""
    wanted, found = set(hashes), {}
    for candidate in candidates:
        for spelling in spellings(candidate):
            hash_ = digest(spelling)
            if hash_ in wanted:
                found[hash_] = spelling
                wanted.remove(hash_)
        if not wanted:
            break
    return found


def spellings(path: str) -> Iterator[str]:
    """The ways in which one folder can be written: as it is, with its links resolved, and each in NFC and NFD.

    macOS gives Japanese names decomposed (NFD) where keyboards write them composed (NFC), and /tmp as /private/tmp.
    Where the disk ignores the case of letters, the case that it has stored.
    """
    plain = path.rstrip("/") or "/"
    variants = dict.fromkeys([plain])
    try:
        variants[str(Path(plain).resolve(strict=True))] = None
        variants[_stored_case(plain)] = None
    except (OSError, RuntimeError, ValueError):
        pass
    if plain.startswith(("/tmp/", "/var/", "/etc/")):
        variants[f"/private{plain}"] = None
    elif plain.startswith("/private/"):
        variants[plain.removeprefix("/private")] = None
    for variant in list(variants):
        for form in ("NFC", "NFD"):
            variants[unicodedata.normalize(form, variant)] = None
    yield from variants


def _stored_case(path: str) -> str:
    """An existing path with each part as its folder lists it."""
    parts = PurePosixPath(path).parts
    stored = parts[0]
    for part in parts[1:]:
        folded = part.casefold()
        names = [name for name in os.listdir(stored) if name.casefold() == folded]
        stored = os.path.join(stored, part if part in names or not names else names[0])
    return stored


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
    seen: set[bytes] = set()
    for file in files:
        with scan.opened(file.copy) as text:
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
        for folder, names, _ in os.walk(top):
            if ".git" in names:
                yield folder
            deep = folder.count(os.sep) - top.count(os.sep) >= SEARCH_DEPTH
            names[:] = [] if deep else [n for n in names if not n.startswith(".") and n not in _SKIPPED]


def _given(run: Run) -> dict[str, str]:
    """What a person said: the parameter, else the home's own mapping file."""
    given = run.settings.workspace_mapping
    if isinstance(given, Mapping):
        return dict(given)
    if given:
        return read_mapping(Path(given).expanduser(), must_exist=True)
    return read_mapping(run.home.mapping)


def read_mapping(path: Path, *, must_exist: bool = False) -> dict[str, str]:
    """A file of hash -> workspace path, in JSON or YAML.

    Raises: SourceError, when it is missing, cannot be read, or holds anything else
    """
    if not path.exists() and not must_exist:
        return {}
    try:
        text = path.read_text(encoding="utf-8")
        # YAML reads JSON too, but takes a hash of sixteen digits for a number.
        content = json.loads(text) if path.suffix == ".json" else yaml.load(text, Loader=yaml.BaseLoader)
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise SourceError(path, "cannot be read as a mapping file", 'Write it as {"hash": "/path"}') from error
    if content is None:
        return {}
    if not isinstance(content, dict) or not all(isinstance(v, str) for v in content.values()):
        raise SourceError(path, "is no mapping of hash to path", 'Write it as {"hash": "/path"}')
    return content


def _accepted(run: Run) -> bool | frozenset[str]:
    """The hashes whose path a person takes although it does not match; True for all."""
    accepted = run.settings.accept_hash_mismatch
    if accepted is True:
        return True
    try:
        ticked = json.loads(run.home.accepted.read_text(encoding="utf-8")) if run.home.accepted.exists() else []
    except (OSError, ValueError) as error:
        raise SourceError(run.home.accepted, "cannot be read as a list of hashes", "Correct or remove it") from error
    return frozenset(ticked) | frozenset(accepted or ())
