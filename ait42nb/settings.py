"""Notebook parameters, as papermill or a person gives them -> Settings, or one error that names the parameter.

`-p dry_run false` arrives as the text "false", a hash of sixteen digits as a number, and a misspelt name as a variable
that nobody reads: all of that is settled here, once.
"""

from __future__ import annotations

import ast
import dataclasses
import difflib
import json
import types
import typing
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from ait42nb.errors import SettingsError

_TRUE = frozenset({"true", "yes", "on", "1", "y", "t"})
_FALSE = frozenset({"false", "no", "off", "0", "n", "f"})


@dataclass(frozen=True)
class OnHome:
    """What every notebook that works on one home has."""

    ait42_home: str = "~/.ait42"

    @property
    def home(self) -> Path:
        return Path(self.ait42_home).expanduser().absolute()


@dataclass(frozen=True)
class Settings(OnHome):
    """The parameters of `migrate.ipynb`; `validate.ipynb` offers some of them."""

    dry_run: bool = True
    strict: bool = False
    workspace_mapping: str | dict[str, str] = ""
    search_roots: list[str] = field(default_factory=list)
    on_unmapped: typing.Literal["hold", "fail"] = "hold"
    accept_hash_mismatch: bool | list[str] = False
    reread: bool = False
    backup: bool = True
    redact: bool = True
    summary_path: str = ""
    memory_limit: str = "600MB"


@dataclass(frozen=True)
class RollbackSettings(OnHome):
    """The parameters of `rollback.ipynb`."""

    action: typing.Literal["", "restore_database", "restore_json", "remove_database", "export_json", "drill"] = ""
    backup_id: str = "latest"
    output_dir: str = ""
    dry_run: bool = True
    redact: bool = True
    summary_path: str = ""


@dataclass(frozen=True)
class ExploreSettings(OnHome):
    """The parameters of `explore.ipynb`."""

    workspace: str = ""
    query: str = ""
    redact: bool = False
    dry_run: typing.ClassVar[bool] = True
    summary_path: typing.ClassVar[str] = ""


@dataclass(frozen=True)
class FleetSettings:
    """The parameters of `fleet.ipynb`; those below `dry_run` go to each home as they are."""

    homes: list[str] | str = ""
    scheduler: str = ""
    workers: int = 0
    output_dir: str = ""
    summary_path: str = ""
    redact: bool = True
    dry_run: bool = True
    strict: bool = False
    workspace_mapping: str | dict[str, str] = ""
    search_roots: list[str] = field(default_factory=list)
    on_unmapped: typing.Literal["hold", "fail"] = "hold"
    accept_hash_mismatch: bool | list[str] = False
    reread: bool = False
    backup: bool = True
    memory_limit: str = "600MB"


S = typing.TypeVar("S")


def read_settings(namespace: Mapping[str, object], kind: type[S] = Settings) -> S:
    """The parameters that stand in a notebook's `globals()`.

    Returns: an instance of `kind`; a parameter that is not in the namespace has its default
    Raises:  SettingsError, when a value cannot be understood, or when the parameters cell or papermill's injected
             one assigns a name that is no parameter
    """
    known = {f.name: f for f in dataclasses.fields(kind)}
    for name in _assigned(namespace, known):
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1, cutoff=0.0)[0]
            raise SettingsError(
                f"parameter {name}", "does not exist", f"Did you mean {near}? The parameters are {', '.join(known)}"
            )
    hints = typing.get_type_hints(kind)
    given = {name: _coerced(name, hints[name], namespace[name]) for name in known if name in namespace}
    return kind(**given)


def _assigned(namespace: Mapping[str, object], known: Mapping[str, object]) -> list[str]:
    """The names that the parameters cell and papermill's injected one assign, as they were run last.

    A parameters cell is told from a person's other cells, which do not count, by its annotations: `name: type = value`.
    """
    parameters: list[str] = []
    injected: list[str] = []
    for source in namespace.get("In", ()):
        try:
            nodes = ast.parse(str(source)).body
        except SyntaxError:
            continue  # a cell with magics is no parameters cell
        annotated = [n.target.id for n in nodes if isinstance(n, ast.AnnAssign) and isinstance(n.target, ast.Name)]
        plain = [t.id for n in nodes if isinstance(n, ast.Assign) for t in n.targets if isinstance(t, ast.Name)]
        if str(source).lstrip().startswith("# Parameters"):
            injected = annotated + plain
        elif sum(name in known for name in annotated) > 1:
            parameters = annotated + plain
    return parameters + injected


def _coerced(name: str, wanted: object, value: object) -> object:
    """`value` as the type that the parameter has."""
    options = typing.get_args(wanted) if isinstance(wanted, types.UnionType) else (wanted,)
    for option in options:
        coerced = _as(option, value)
        if coerced is not None:
            return coerced
    raise SettingsError(f"parameter {name}", f"{value!r} cannot be understood", f"Give {_described(wanted)}")


def _as(wanted: object, value: object) -> object | None:
    """`value` as `wanted`, or None where it cannot be read as that."""
    if wanted is bool:
        word = str(value).strip().lower()
        return True if word in _TRUE else False if word in _FALSE else None
    if wanted is str:
        return "" if value is None else str(value) if _is_plain(value) or isinstance(value, float | Path) else None
    if wanted == list[str]:
        listed = _listed(value)
        return [_hash(v) for v in listed] if all(map(_is_plain, listed)) else None
    if wanted == dict[str, str]:
        readable = isinstance(value, Mapping) and all(map(_is_plain, [*value, *value.values()]))
        return {_hash(k): str(v) for k, v in value.items()} if readable else None
    if wanted is int:
        return int(str(value)) if str(value).strip().isdigit() else None
    allowed = typing.get_args(wanted)
    return value if value in allowed else None


def _listed(value: object) -> list[object]:
    """A list, also where `-p` left it as text, or one value by itself."""
    if value in ("", None):
        return []
    if isinstance(value, str) and value.startswith("["):
        with suppress(ValueError):
            value = json.loads(value)
    return list(value) if isinstance(value, list | tuple) else [value]


def _is_plain(value: object) -> bool:
    return isinstance(value, str | int) and not isinstance(value, bool)


def _hash(value: object) -> str:
    # A hash of sixteen digits comes out of YAML as a number, without the zeros that it began with.
    return f"{value:016d}" if isinstance(value, int) else str(value)


def _described(wanted: object) -> str:
    if isinstance(wanted, types.UnionType):
        return " or ".join(_described(option) for option in typing.get_args(wanted))
    if typing.get_origin(wanted) is typing.Literal:
        return "one of " + ", ".join(repr(v) for v in typing.get_args(wanted))
    return {bool: "true or false", str: "text", int: "a whole number"}.get(
        wanted, "a list of text" if wanted == list[str] else "a mapping of text to text"
    )
