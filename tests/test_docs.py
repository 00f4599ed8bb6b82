"""What the docs list is what the code has, and what they name is there."""

from __future__ import annotations

import ast
import dataclasses
import importlib.util
import json
import os
import re
import shlex
import sqlite3
import subprocess
from collections import Counter
from collections.abc import Collection, Iterable
from contextlib import closing
from functools import cache
from importlib import import_module
from itertools import pairwise
from pathlib import Path

import pytest
import yaml

from ait42nb import check, database, report, settings, stage
from ait42nb.pipeline import STAGES

ROOT = Path(__file__).parent.parent
DOCS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")])
# What people leave beside the notebooks by following the README is no part of the kit.
NOTEBOOKS = sorted(set(ROOT.glob("notebooks/*.ipynb")) - set(ROOT.glob("notebooks/out*")))


# --- Reading Markdown -------------------------------------------------------------------------------------------------


@cache
def sections(document: str) -> dict[str, str]:
    """A document's sections by their headings; what stands in fenced blocks is no heading."""
    text = re.sub(r"^```.*?^```", "", (ROOT / document).read_text(encoding="utf-8"), flags=re.S | re.M)
    parts = re.split(r"^#+ (.+)$", text, flags=re.M)
    return {heading.replace("`", ""): body for heading, body in zip(parts[1::2], parts[2::2], strict=True)}


def table(document: str, heading: str) -> list[list[str]]:
    """The rows of the first table under a heading."""
    found = re.search(r"^\|.*\n\|[-| ]+\|\n((?:\|.*\n?)+)", sections(document)[heading], flags=re.M)
    assert found, f"{document} has no table under {heading!r}"
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in found[1].splitlines()]


def names(document: str, heading: str) -> list[str]:
    """The names in the first column of such a table."""
    return [name for row in table(document, heading) for name in re.findall(r"`([^`]+)`", row[0])]


def assert_same(where: str, told: Collection[str], coded: Collection[str]) -> None:
    lacking, surplus = sorted(set(coded) - set(told)), sorted(set(told) - set(coded))
    assert not (lacking or surplus), f"{where}: add {lacking}, remove {surplus}"
    twice = [name for name, times in Counter(told).items() if times > 1]
    assert not twice, f"{where}: {twice} stand there twice"


def fenced(document: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", document.read_text(encoding="utf-8"), flags=re.S | re.M)


# --- Lists ------------------------------------------------------------------------------------------------------------


def test_reason_codes():
    """README and docs name every reason, once, and the rules in the order in which they are told."""
    codes = {*check.RULES, *stage.WORDS}
    merged = [code for code, kind, *_ in table("docs/merge.md", "Reasons and warnings") if kind == "reason"]
    explained = [*names("docs/rules.md", "Files"), *names("docs/rules.md", "Records")]
    explained += [*names("docs/rules.md", "Records that stand aside"), *(code.strip("`") for code in merged)]

    assert_same("README.md, Reason codes", names("README.md", "Reason codes"), codes)
    assert_same("docs/rules.md and docs/merge.md", {*explained}, codes)
    assert names("docs/rules.md", "Records") == list(check.RULES)


def test_warnings():
    """The docs name every warning that a report can show."""
    merged = [code.strip("`") for code, kind, *_ in table("docs/merge.md", "Reasons and warnings") if kind == "warning"]

    assert_same("docs/rules.md and docs/merge.md", [*names("docs/rules.md", "Warnings"), *merged], report.WARNINGS)


def test_errors():
    """README names every error that a person can meet."""
    trees = [ast.parse(module.read_text(encoding="utf-8")) for module in ROOT.glob("ait42nb/*.py")]
    classes = [node for tree in trees for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]
    family = {"Ait42Error"}
    for _ in range(3):  # generations
        family |= {node.name for node in classes if family & {getattr(base, "id", "") for base in node.bases}}

    assert_same("README.md, Errors", names("README.md", "Errors"), family - {"Ait42Error"})


def test_make_targets():
    """README lists the targets with the words that `make` prints."""
    targets = re.findall(r"^([a-z-]+):.*?## (.+)$", (ROOT / "Makefile").read_text(), flags=re.M)

    assert [(name.strip("`"), words) for name, words in table("README.md", "Commands")] == targets


@pytest.mark.parametrize("entity", ["session", "instance", "message"])
def test_keys_of_the_format(entity):
    """The source format lists the keys that the kit knows, in the editor's order."""
    assert names("docs/source-format.md", entity.title()) == list(check.KEYS[entity])


def test_stages():
    """The architecture lists the stages of the pipeline, in their order, and the modules that they stand in."""
    rows = [[cell.strip("`") for cell in row[:2]] for row in table("docs/architecture.md", "Stages")]

    assert rows == [[stage.__name__, stage.__module__.removeprefix("ait42nb.")] for stage in STAGES]


def test_stages_of_the_notebook():
    """The notebook takes every stage, in their order. A cell may take one again."""
    cells = json.loads((ROOT / "notebooks/migrate.ipynb").read_text(encoding="utf-8"))["cells"]
    text = "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code")

    assert re.findall(r"run\.step\(pipeline\.(\w+)\)", text) == [stage.__name__ for stage in STAGES]


def test_questions_of_the_notebook():
    """README lists the notebook's headings in their order."""
    cells = json.loads((ROOT / "notebooks/migrate.ipynb").read_text(encoding="utf-8"))["cells"]
    text = "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown")
    questions = re.findall(r"^## (.+)$", text, flags=re.M)

    assert [question for question, _ in table("README.md", "What the notebook shows")] == questions


def test_files():
    """README names every notebook and every file of parameters."""
    notebooks = [str(file.relative_to(ROOT)) for file in NOTEBOOKS]
    files = [str(file.relative_to(ROOT)) for file in ROOT.glob("params/*.yaml")]
    assert_same("README.md, Notebooks", names("README.md", "Notebooks"), notebooks)
    assert_same("README.md, In CI", names("README.md", "In CI, or over many homes"), files)


# --- Parameters -------------------------------------------------------------------------------------------------------


def parameters(notebook: Path) -> dict[str, tuple[object, str]]:
    """Default and help of what a notebook's parameters cell assigns."""
    cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    source = "".join(next(cell["source"] for cell in cells if "parameters" in cell["metadata"].get("tags", ())))
    told = dict(re.findall(r"^(\w+)\b.*?  # (.+)$", source, flags=re.M))
    assigned = [node for node in ast.parse(source).body if isinstance(node, ast.AnnAssign)]
    return {node.target.id: (ast.literal_eval(node.value), told[node.target.id]) for node in assigned}


# It understands all that migrate.ipynb does, so that one file of parameters serves both, but offers these.
OFFERED = {"validate": ("ait42_home", "strict", "redact", "summary_path")}


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda notebook: notebook.stem)
def test_parameters_of_a_notebook(notebook):
    """The parameters cell offers what the settings know, in their order and with their defaults."""
    name = f"{notebook.stem.title().replace('Migrate', '').replace('Validate', '')}Settings"
    kind = getattr(settings if hasattr(settings, name) else import_module(f"ait42nb.{notebook.stem}"), name)
    fields = {field.name: field for field in dataclasses.fields(kind)}
    if notebook.stem in OFFERED:
        fields = {name: field for name, field in fields.items() if name in OFFERED[notebook.stem]}
    defaults = {
        name: field.default_factory() if field.default is dataclasses.MISSING else field.default
        for name, field in fields.items()
    }

    cell = parameters(notebook)
    assert {name: default for name, (default, _) in cell.items()} == defaults
    assert list(cell) == list(defaults)


@pytest.mark.parametrize(
    ("heading", "notebook"), [("Parameters", "migrate.ipynb"), ("To look at what you have", "explore.ipynb")]
)
def test_parameters_in_readme(heading, notebook):
    """README's tables have the defaults and the words of the parameters cells."""
    rows = table("README.md", heading)

    told = {name.strip("`"): (ast.literal_eval(default.strip("`")), words) for name, default, words in rows}
    assert told == parameters(ROOT / "notebooks" / notebook)


def test_parameters_of_a_fleet_in_readme():
    """README has the parameters of a fleet that no single home has, with the defaults and the words of their cell."""
    rows = table("README.md", "Many homes at once")
    of_a_home = parameters(ROOT / "notebooks/migrate.ipynb")

    told = {name.strip("`"): (ast.literal_eval(default.strip("`")), words) for name, default, words in rows}
    fleet = parameters(ROOT / "notebooks/fleet.ipynb")
    assert told == {name: fleet[name] for name in fleet if name not in of_a_home}


@pytest.mark.parametrize("file", sorted(ROOT.glob("params/*.yaml")), ids=lambda file: file.stem)
def test_parameter_files(file):
    """A file for `papermill -f` gives parameters that exist, in values that are understood."""
    given = yaml.safe_load(file.read_text(encoding="utf-8"))

    assert not set(given) - {field.name for field in dataclasses.fields(settings.Settings)}
    settings.read_settings(given)


# --- Schema -----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def schema(tmp_path_factory):
    path = tmp_path_factory.mktemp("schema") / "sessions.db"
    with closing(database.connect(path)):
        pass
    with closing(sqlite3.connect(path)) as connection:
        yield connection


def test_tables(schema):
    """The schema's page describes every table: the kit's own, the editor's, and what they need for searching."""
    made = [name for (name,) in schema.execute("select name from sqlite_master where type = 'table'")]
    made = [name for name in made if not name.startswith(("sqlite_", "sessions_fts_", "_sqlx"))]

    headings = {name for name in sections("docs/schema.md") if name in made}
    assert_same("docs/schema.md", {*headings, *names("docs/schema.md", "Search"), "recounts"}, made)
    assert "`recounts`" in sections("docs/schema.md")["Triggers"]


EDITORS = ("sessions", "instances", "chat_messages")
KITS = (
    "migration_runs",
    "migration_files",
    "migration_ledger",
    "migration_rejects",
    "migration_residue",
    "migration_status",
    "search_docs",
)


@pytest.mark.parametrize("name", [*EDITORS, *KITS])
def test_columns(schema, name):
    """Each table's columns stand there in their order, and in the editor's tables what they demand."""
    columns = {row[1]: row for row in schema.execute(f"pragma table_info({name})")}

    assert names("docs/schema.md", name) == list(columns)
    for row in table("docs/schema.md", name) if name in EDITORS else ():
        _, column, kind, required, default, key = columns[row[0].strip("`")]
        words = row[1].split(", ")
        assert words[0] == kind, column
        assert ("primary key" in words) == bool(key), column
        assert ("required" in words) == bool(required and not key and default is None), column


@pytest.mark.parametrize("kind", ["trigger", "index"])
def test_triggers_and_indexes(schema, kind):
    """Every trigger and every index stands there."""
    made = [n for (n,) in schema.execute("select name from sqlite_master where type = ? and sql > ''", (kind,))]

    assert_same("docs/schema.md", names("docs/schema.md", {"trigger": "Triggers", "index": "Indexes"}[kind]), made)


def test_columns_of_the_format(schema):
    """The source format says into which column each key goes."""
    for heading, name in (("Session", "sessions"), ("Instance", "instances"), ("Message", "chat_messages")):
        columns = {row[1] for row in schema.execute(f"pragma table_info({name})")}
        told = [row[3] for row in table("docs/source-format.md", heading) if not row[3].startswith("rows of")]
        assert {re.match(r"`(\w+)`", cell)[1] for cell in told} <= columns


# --- What is named is there -------------------------------------------------------------------------------------------


def anchors(document: Path) -> set[str]:
    """The anchors that GitHub gives a document's headings."""
    headings = sections(str(document.relative_to(ROOT)))
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("document", DOCS, ids=lambda document: document.name)
def test_links(document):
    """Every relative link leads to a file that is tracked or new, and to a heading that it has."""
    for target in re.findall(r"\]\(([^)\s]+)\)", document.read_text(encoding="utf-8")):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        file = (document.parent / path).resolve() if path else document
        assert file.exists() and file.is_relative_to(ROOT), f"{document.name}: {target} leads nowhere"
        assert not anchor or anchor in anchors(file), f"{document.name}: {target} has no such heading"


def test_pictures_are_light():
    """A page with pictures loads at once."""
    for picture in ROOT.glob("docs/images/*"):
        assert picture.stat().st_size < 300_000, picture.name


@pytest.mark.parametrize("document", DOCS, ids=lambda document: document.name)
def test_cited_names(document):
    """The make targets, modules and files of the kit that a document names exist."""
    text = document.read_text(encoding="utf-8")
    targets = {name.strip("`") for name, _ in table("README.md", "Commands")}

    assert not set(re.findall(r"`make ([a-z-]+)", text)) - targets
    for name in re.findall(r"`((?:ait42nb|notebooks|params|tests|docs|\.ci)/[\w./-]+\w)`", text):
        assert (ROOT / name).exists(), f"{document.name}: there is no {name}"
    for module in re.findall(r"\bait42nb\.(\w+)", text):
        assert importlib.util.find_spec(f"ait42nb.{module}"), f"{document.name}: there is no ait42nb.{module}"


SYSTEM = {"cd", "tar", "ls", "chmod", "df", "lsof", "printf", "sha256sum", "sqlite3"}


def steps_of_workflows() -> list[str]:
    """What the workflows in the docs run."""
    workflows = [yaml.safe_load(block) for document in DOCS for block in fenced(document, "yaml")]
    steps = [step for workflow in workflows for job in workflow["jobs"].values() for step in job["steps"]]
    return [step["run"] for step in steps if "run" in step]


@pytest.mark.parametrize(
    "line",
    [line for document in DOCS for block in fenced(document, "sh") for line in block.splitlines()]
    + steps_of_workflows(),
)
def test_example_commands(line):
    """Commands in the docs name targets, notebooks, files and parameters that exist."""
    command, *words = shlex.split(line)
    if command == "make":
        assert words[0] in {name.strip("`") for name, _ in table("README.md", "Commands")}
    elif command == ".venv/bin/papermill":
        notebook = ROOT / words[0]
        assert notebook in NOTEBOOKS
        for option, value in pairwise(words):
            if option == "-f":
                assert (ROOT / value).is_file()
            elif option == "-p":
                assert value in parameters(notebook)
    else:
        assert command in SYSTEM, f"the docs have a command that nothing checks: {line}"


def test_citations():
    """Facts (A5) and invariants are cited by numbers that the docs give."""
    facts = {row[0] for row in table("docs/source-format.md", "What real files hold")}
    promises = {heading.partition(".")[0] for heading in sections("docs/invariants.md") if heading[0].isdigit()}
    summary = re.findall(r"^(\d+)\. ", sections("README.md")["What is guaranteed"], flags=re.M)

    assert facts == {f"A{n}" for n in range(1, 14)}
    assert [*promises] and promises == {*summary} == {str(n) for n in range(1, 11)}
    for file, text in texts():
        cited = {*re.findall(r"[(, ](A\d+)(?=[),])", text)} if file.suffix in (".py", ".sql", ".md") else set()
        assert cited <= facts, f"{file} cites {cited - facts}"
        assert {*re.findall(r"\binvariant (\d+)", text)} <= promises, f"{file} cites an invariant that is none"


# --- What may not stand anywhere --------------------------------------------------------------------------------------


def tracked() -> list[Path]:
    if not (ROOT / ".git").exists():
        pytest.skip("no git checkout: nothing says which files are tracked")
    listed = subprocess.run(
        ["git", "-c", "safe.directory=*", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True
    )
    return [Path(os.fsdecode(name)) for name in listed.stdout.split(b"\0") if name]


def texts() -> Iterable[tuple[Path, str]]:
    """Every tracked file that is text; what the examples hold is as hostile as real disks are."""
    for file in tracked():
        if (ROOT / file).is_file() and file.parts[:2] != ("tests", "examples"):
            try:
                yield file, (ROOT / file).read_text(encoding="utf-8")
            except UnicodeDecodeError:
                continue


@pytest.mark.parametrize(
    "what, pattern",
    [
        (
            "the number of an issue",
            r"(?i)\b(?:issue|pull request|ticket|bug|fix(?:es|ed)?|close[sd]?|refs?|see) #\d"
            r"|\b(?:issue|pull request|ticket|bug) \d|\(#\d+\)|/(?:issues|pull)/\d",
        ),
        (
            "a package registry",
            r"(?i)\b(?:pypi|pythonhosted|anaconda|crates|npmjs|jsdelivr)\.(?:org|io|com|net)\b"
            r"|\bindex-url\b|\btrusted-host\b",
        ),
        ("the path of this checkout", rf"(?<![\w.~*}}]){re.escape(str(ROOT))}(?![\w-])"),
    ],
    ids=["issue", "registry", "machine"],
)
def test_nothing_of_elsewhere(what, pattern):
    """The project speaks of itself alone: no tracked text names an issue, a registry or this machine."""
    found = [f"{file}: {hit[0]}" for file, text in texts() for hit in re.finditer(pattern, text)]

    assert not found, f"{what}: {found[:5]}"
