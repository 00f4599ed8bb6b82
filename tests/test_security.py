"""Hostile names, paths, texts and files, and what everybody else may read; through whole runs.

Archives are in test_backup, pages to pass on in test_share, single files in test_home.
"""

from __future__ import annotations

import os
import stat
import subprocess
import time
from html.parser import HTMLParser
from pathlib import Path

import oracle
import pytest

from ait42nb import pipeline, report
from ait42nb.errors import Ait42Error, DatabaseRefused, SourceError
from ait42nb.export import export_json
from ait42nb.mapping import read_mapping
from ait42nb.samples import instance, message, session

# Each is an attack on somebody who takes it for more than text.
HOSTILE = [
    "'; drop table sessions; --",
    '"; delete from chat_messages; --',
    "x' union select * from sqlite_master --",
    "$(touch pwned) `touch pwned` ; touch pwned | touch pwned > pwned",
    "<script>document.title = 'pwned'</script>",
    "<img src=x onerror=\"document.title='pwned'\">",
    "</pre></td></table><iframe src='javascript:alert(1)'></iframe>",
    "--checkpoint-action=exec=touch pwned",
    "{{ 7 * 7 }} ${7*7} %s %n {0.__class__} \\u0041",
    '!!python/object/apply:os.system ["touch pwned"]',
    "=cmd|' /C calc'!A1",
    "\x1b]0;pwned\x07\x1b[2J \u202egnp.exe",
    "../../../../etc/passwd",
    "*?[a-z]{a,b}~",
    "C:\\pwned\\.. /dev/stdin file:///etc/passwd?mode=rwc",
]
# Stands in all that may not be shown under `redact`; ids may.
SECRET = "秘密"
NAMES = [f"{text.replace('/', '∕')}{SECRET}.json" for text in HOSTILE] + [
    "-rf.json",
    "..json",
    ".json",
    "a\nb\tc.json",
    "sessions.db.json",
]
PATHS = [f"/home/aki/{text}{SECRET}" for text in HOSTILE]
SHOWN = (report.inventory, report.workspaces, report.records, report.effect, report.proof, report.books, report.held)


@pytest.fixture
def hostile(home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A home in which every text is an attack, and a working folder in which one would show."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    for id_, path in zip(HOSTILE, PATHS, strict=True):
        text = f"{id_}{SECRET}"
        chat = [message(id=f"{id_} {n}", content=f"{each}{SECRET}", instanceId=1) for n, each in enumerate(HOSTILE)]
        agent = instance(instanceId=1, branch=text, agentName=text, worktreePath=path, runtimeLabel=text, output=text)
        home.write(path, [session(id=id_, task=text, model=text, instances=[agent], chatHistory=chat) | {text: text}])
    for name in NAMES:
        home.put(name, [session(id=f"{len(name)}", task=name), {"id": "<b>", "status": name}, name])
    return home


def test_texts_names_and_paths_are_data(hostile, tmp_path: Path):
    """Each is stored and held as it stands; nothing of it is run, read or written."""
    run = hostile.run(backup=True)

    assert run.failure is None
    made = {path.name for path in hostile.path.iterdir() if not path.name.startswith("sessions_backup_")}
    assert made == {"sessions", "sessions.db", "workspace_mapping.json"}
    oracle.check(hostile.path, hostile.database)
    stored = hostile.rows("select id, task from sessions order by id")
    assert stored == sorted((text, f"{text}{SECRET}") for text in HOSTILE)
    assert hostile.rows("select count(*) from chat_messages") == [(len(HOSTILE) ** 2,)]
    held = {path for (path,) in hostile.rows("select source_path from migration_rejects where entity = 'file'")}
    assert held == {f"sessions/{name}" for name in NAMES}
    assert list(Path.cwd().iterdir()) == []

    exported = export_json(hostile.database, tmp_path / "exported")
    assert {file.name for file in exported.files} == {path.name for path in hostile.path.glob("sessions/*")} - {*NAMES}
    assert oracle.compare_export(hostile.path, tmp_path / "exported") == []


def test_an_archive_of_hostile_names(hostile, tmp_path: Path):
    """tar and sha256sum themselves find the files, and nothing else, under their names."""
    hostile.run(backup=True)
    (archive,) = hostile.path.glob("sessions_backup_*.tar.gz")
    folder = tmp_path / "restored"
    folder.mkdir()

    subprocess.run(["tar", "-xzf", archive], cwd=folder, check=True)
    manifest = f"{archive.name.removesuffix('.tar.gz')}.manifest"
    subprocess.run(["sha256sum", "--check", "--quiet", "--strict", manifest], cwd=folder, check=True)

    assert sorted(path.name for path in folder.iterdir()) == ["sessions", manifest]
    files = {path.name: path.read_bytes() for path in hostile.path.glob("sessions/*")}
    assert {path.name: path.read_bytes() for path in folder.glob("sessions/*")} == files


class Elements(HTMLParser):
    """What a browser would make of a page: the tags, and what could run or load."""

    def __init__(self) -> None:
        super().__init__()
        self.active: list[str] = []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        loads = [f"{name}={value}" for name, value in attributes if name in ("src", "href", "data", "action")]
        runs = [name for name, _ in attributes if name.startswith("on")]
        found = [*runs, *(one for one in loads if not one.startswith(("href=#", "src=data:image/")))]
        if tag in ("script", "iframe", "object", "embed", "form", "meta", "base", "link") or found:
            self.active.append(f"{tag} {found}")


@pytest.mark.parametrize("redact", [True, False])
def test_reports_hold_no_element_of_theirs(hostile, redact: bool):
    """Shown or hidden, a text makes no tag; under `redact` none of it is there at all."""
    run = hostile.run(dry_run=True, redact=redact)
    for show in SHOWN:
        page = str(show(run).html())
        elements = Elements()
        elements.feed(page)
        assert elements.active == [], show.__name__
        assert not (redact and SECRET in page + show(run).text()), show.__name__
        assert "\x1b" not in page + show(run).text()
        assert "\u202e" not in page + show(run).text()


# YAML


@pytest.mark.parametrize(
    "text",
    [
        '!!python/object/apply:os.system ["touch pwned"]',
        'a: !!python/object/apply:os.system ["touch pwned"]',
        "- /home/aki",
        "a: [/home/aki]",
        "a: &a [*a]",
        "&a ? *a\n: /home/aki",
        "a: /home/aki\n---\nb: /home/aki",
        "[" * 5000,
        "a: &a {<<: *a}",
    ],
)
def test_yaml_makes_nothing_but_text(tmp_path: Path, text: str, monkeypatch: pytest.MonkeyPatch):
    """A mapping file is text by text; anything else in it, a knot or a tower too, is refused in one sentence."""
    monkeypatch.chdir(tmp_path)
    Path("map.yaml").write_text(text)
    with pytest.raises(SourceError, match=r"map\.yaml: (cannot be read as a|is no) mapping"):
        read_mapping(Path("map.yaml"))
    assert not Path("pwned").exists()


def test_yaml_tags_are_passed_over(tmp_path: Path):
    """What calls itself a function, or a number, is the text that stands there."""
    (tmp_path / "map.yaml").write_text("!!python/name:os.system x: !!python/name:os.system /home/aki\n'1': 0x10\n")
    assert read_mapping(tmp_path / "map.yaml") == {"x": "/home/aki", "1": "0x10"}


def test_yaml_that_swells(tmp_path: Path):
    """Nine lines that would be a thousand million words, were they ever written out."""
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9)]
    file = tmp_path / "map.yaml"
    file.write_text("\n".join(lines))
    began = time.monotonic()
    with pytest.raises(SourceError, match="is no mapping of hash to path"):
        read_mapping(file)
    assert time.monotonic() - began < 5


# Who may read it, and where it goes


@pytest.mark.parametrize("umask", [0o000, 0o077])
def test_private_whatever_the_umask(home, umask: int):
    """All that a run makes is its owner's alone, also while it works, and nobody's mode is changed."""
    home.write("/home/aki/app", [session(chatHistory=[message()])])
    modes = {path: path.stat().st_mode for path in [home.path, *home.path.rglob("*")]}
    seen: set[tuple[str, int]] = set()
    former = os.umask(umask)
    try:
        for _ in range(2):
            run = pipeline.start(ait42_home=str(home.path), dry_run=False, redact=False)
            for stage in pipeline.STAGES:
                run.step(stage)
                seen |= {(kind(path), stat.S_IMODE(path.stat().st_mode)) for path in [run.work, *run.work.iterdir()]}
            run.close()
            assert run.failure is None
            home.write("/home/aki/app", [session(chatHistory=[message(), message(id="new")])])
            made = [path for path in home.path.iterdir() if path not in modes]
            seen |= {(kind(path), stat.S_IMODE(path.stat().st_mode)) for path in made}
    finally:
        os.umask(former)
    assert {name.split("_")[0] for name in (path.name for path in made)} == {"sessions.db", "sessions"}
    assert seen == {("folder", 0o700), ("file", 0o600)}
    assert {path: path.stat().st_mode for path in (home.path, home.path / "sessions")}.items() <= modes.items()


def kind(path: Path) -> str:
    return "folder" if path.is_dir() else "file"


@pytest.mark.parametrize("dry_run", [True, False])
def test_a_database_that_leads_out_of_the_home(home, tmp_path: Path, dry_run: bool):
    """A link is not followed to write elsewhere."""
    home.write("/home/aki/app", [session()])
    home.migrate()
    elsewhere = tmp_path / "elsewhere.db"
    home.database.rename(elsewhere)
    home.database.symlink_to(elsewhere)
    before = elsewhere.read_bytes()

    failure = home.run(dry_run=dry_run, reread=True).failure

    assert isinstance(failure, DatabaseRefused) and "a link that leads out of the home" in str(failure)
    assert elsewhere.read_bytes() == before
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith("elsewhere")] == ["elsewhere.db"]


def test_what_is_no_file_is_not_waited_for(home):
    """A pipe under any name that the kit reads stops nothing, or stops it at once."""
    home.write("/home/aki/app", [session()])
    for name in ("sessions.db", "workspace_mapping.json", "workspace_mapping_accepted.json"):
        pipe = home.path / name
        kept = pipe.read_bytes() if pipe.exists() else None
        pipe.unlink(missing_ok=True)
        os.mkfifo(pipe)
        assert isinstance(home.run().failure, Ait42Error), name
        pipe.unlink()
        if kept:
            pipe.write_bytes(kept)
    os.mkfifo(home.path / "sessions" / "pipe.json")
    assert home.run().failure is None
