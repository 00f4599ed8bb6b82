"""Which workspace a file belongs to: found and proven by its hash, or said by a person; never guessed (invariant 9)."""

from __future__ import annotations

import hashlib
import json
import unicodedata
from pathlib import Path

import pytest

from ait42nb import pipeline
from ait42nb.errors import SourceError
from ait42nb.mapping import Mapped, read_mapping, spellings, workspace_hash
from ait42nb.samples import dumps, instance, session

NFC = "/home/aki/プロジェクト"  # composed, as keyboards write it
NFD = unicodedata.normalize("NFD", NFC)  # decomposed, as macOS stores it


def sha(path: str) -> str:
    return hashlib.sha256(path.encode()).hexdigest()[:16]


def mapped(home, **parameters: object) -> Mapped:
    run = pipeline.start(ait42_home=str(home.path), **parameters)
    try:
        for stage in pipeline.STAGES[: pipeline.STAGES.index(pipeline.map_workspaces) + 1]:
            run.step(stage)
        if run.failure:
            raise run.failure
        return run.get(Mapped)
    finally:
        run.close()


def only(home, **parameters: object) -> tuple[str | None, str | None, str]:
    (workspace,) = mapped(home, **parameters).workspaces
    return workspace.workspace_path, workspace.origin, workspace.state


# The editor's hash


def test_workspace_hash():
    """The guide's own test: a trailing slash does not count, and a hash has 16 digits."""
    hash1 = workspace_hash("/home/user/project")
    hash2 = workspace_hash("/home/user/project/")
    assert hash1 == hash2
    assert len(hash1) == 16


def test_the_hash_of_a_folder_that_exists(tmp_path: Path):
    """Resolved like realpath: through links, dots and doubled slashes."""
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    expected = sha(str((tmp_path / "real").resolve()))
    for path in ("link", "real/", "link/../real", "./link", "/link"):
        assert workspace_hash(f"{tmp_path}/{path}") == expected


def test_the_hash_of_a_folder_that_does_not_exist():
    """As it is spelt, but for slashes at its end; nothing that a path can hold makes it fail."""
    assert workspace_hash("/gone//app/.././x//") == sha("/gone//app/.././x")
    assert workspace_hash("/gone/日本") == sha("/gone/日本")
    assert len(workspace_hash("/gone/" + "x" * 5000)) == 16
    assert len(workspace_hash("/gone/\0")) == 16


# Found by the kit


def test_found_in_a_worktree_path(home):
    """Most worktrees lie under their workspace (A12)."""
    home.write(
        "/home/aki/app",
        [session(instances=[instance(worktreePath="/home/aki/app/src-tauri/.worktrees/x/instance-1")])],
        mapped=False,
    )
    assert only(home) == ("/home/aki/app", "worktree", "mapped")


def test_found_in_a_record_that_is_held(home):
    """What is wrong with the record is not wrong with its path."""
    home.write(
        "/home/aki/app", [session(status="odd", instances=[instance(worktreePath="/home/aki/app/w/1")])], mapped=False
    )
    assert only(home) == ("/home/aki/app", "worktree", "mapped")


@pytest.mark.parametrize("workspace", [NFC, NFD], ids=["composed", "decomposed"])
@pytest.mark.parametrize("written", [NFC, NFD], ids=["written composed", "written decomposed"])
def test_the_spelling_that_the_hash_proves_is_stored(home, workspace: str, written: str):
    """macOS decomposes Japanese names; the editor asks for the spelling that it hashed."""
    home.write(workspace, [session(instances=[instance(worktreePath=f"{written}/.worktrees/1")])], mapped=False)
    assert only(home)[0] == workspace


def test_private_tmp(home):
    """macOS resolves /tmp to /private/tmp."""
    home.put(f"{sha('/private/tmp/app')}.json", [session(instances=[instance(worktreePath="/tmp/app/w/1")])])
    assert only(home)[0] == "/private/tmp/app"


def test_a_link_is_found_resolved(home, tmp_path: Path):
    """The editor hashes what the link leads to."""
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    real = str((tmp_path / "real").resolve())
    home.put(f"{sha(real)}.json", [session(instances=[instance(worktreePath=f"{tmp_path}/link/w/1")])])
    assert only(home) == (real, "worktree", "mapped")


def test_spellings_begin_with_what_was_written():
    assert next(spellings("/home/aki/app/")) == "/home/aki/app"
    assert {NFC, NFD} <= set(spellings(NFC))
    assert next(spellings("/")) == "/"


def test_found_below_search_roots(home, tmp_path: Path):
    """Every root, and every git repository below it; hidden folders and node_modules are not searched."""
    src = tmp_path / "src"
    (src / "team" / "app" / ".git").mkdir(parents=True)
    (src / "node_modules" / "lib" / ".git").mkdir(parents=True)
    for workspace in ("team/app", "node_modules/lib", ""):
        home.write(str(src / workspace), [session(id=f"s-{workspace}")], mapped=False)

    found = {w.workspace_path: w.origin for w in mapped(home, search_roots=[str(src)]).workspaces}

    assert found == {str(src / "team/app"): "search", str(src): "search", None: None}


def test_a_repository_too_deep_is_not_found(home, tmp_path: Path):
    """The search has an end, also in a home of its own."""
    deep = tmp_path / "src" / "/".join("123456789")
    (deep / ".git").mkdir(parents=True)
    home.write(str(deep), [session()], mapped=False)
    assert only(home, search_roots=[str(tmp_path / "src")])[2] == "unmapped_workspace"


def test_a_root_that_is_not_there_is_no_fault(home):
    home.write("/home/aki/app", [session()], mapped=False)
    assert only(home, search_roots=["/nowhere/at/all"])[2] == "unmapped_workspace"


def test_found_in_an_earlier_run(home):
    """What a person once said need not be said again."""
    home.write("/home/aki/app", [session()])
    home.migrate()
    (home.path / "workspace_mapping.json").unlink()
    assert only(home)[::2] == ("/home/aki/app", "mapped")


# Said by a person


def test_given_by_the_homes_own_file(home):
    home.write("/home/aki/app", [session()])
    assert only(home) == ("/home/aki/app", "given", "mapped")


def test_given_with_a_trailing_slash(home):
    """What is stored is what the hash proves."""
    home.put(f"{sha('/home/aki/app')}.json", [session()])
    assert only(home, workspace_mapping={sha("/home/aki/app"): "/home/aki/app/"}) == (
        "/home/aki/app",
        "given",
        "mapped",
    )


def test_a_given_path_under_another_hash_still_proves_its_own(home):
    """Two entries were swapped: each path is taken where it belongs."""
    home.write("/home/aki/a", [session(id="a")], mapped=False)
    home.write("/home/aki/b", [session(id="b")], mapped=False)
    swapped = {sha("/home/aki/a"): "/home/aki/b", sha("/home/aki/b"): "/home/aki/a"}
    for workspace in mapped(home, workspace_mapping=swapped).workspaces:
        assert (workspace.state, sha(workspace.workspace_path)) == ("mapped", workspace.workspace_hash)


def test_a_parameter_stands_for_the_homes_file(home, tmp_path: Path):
    """A file in JSON or YAML; hashes of digits alone are text in both."""
    home.put("1234567890123456.json", [session()])
    for name, text in (
        ("m.yaml", "1234567890123456: /srv/app\n"),
        ("m.json", '{"1234567890123456": "/srv/app"}'),
    ):
        (tmp_path / name).write_text(text)
        assert only(home, workspace_mapping=str(tmp_path / name)) == ("/srv/app", "given", "hash_mismatch")


def test_a_wrong_path_is_not_used(home):
    """It is shown, so that a person sees what they gave, and holds the file."""
    hash_ = home.write("/home/aki/app", [session()], mapped=False).stem
    wrong = {hash_: "/home/aki/another"}
    assert only(home, workspace_mapping=wrong) == ("/home/aki/another", "given", "hash_mismatch")


@pytest.mark.parametrize("accepted", [True, "hash"])
def test_a_wrong_path_is_used_once_a_person_says_so(home, accepted: object):
    hash_ = home.write("/home/aki/app", [session()], mapped=False).stem
    given = {"workspace_mapping": {hash_: "/home/aki/another"}}
    accepted = [hash_] if accepted == "hash" else accepted
    assert only(home, accept_hash_mismatch=accepted, **given) == ("/home/aki/another", "given", "mapped")
    assert only(home, accept_hash_mismatch=["0" * 16], **given)[2] == "hash_mismatch"


def test_ticks_of_the_notebook_are_kept(home):
    """The widget's list of accepted hashes counts in later runs too."""
    hash_ = home.write("/home/aki/app", [session()], mapped=False).stem
    (home.path / "workspace_mapping.json").write_text(json.dumps({hash_: "/home/aki/another"}))
    (home.path / "workspace_mapping_accepted.json").write_text(json.dumps([hash_]))
    assert only(home) == ("/home/aki/another", "given", "mapped")


def test_a_wrong_path_does_not_hide_what_the_file_proves(home):
    """The proven path wins over the one that a person mistyped."""
    file = home.write("/home/aki/app", [session(instances=[instance(worktreePath="/home/aki/app/w/1")])], mapped=False)
    assert only(home, workspace_mapping={file.stem: "/home/aki/typo"}) == ("/home/aki/app", "worktree", "mapped")


def test_a_given_path_and_what_is_hashed_by_the_editor_agree(home, tmp_path: Path):
    """~ is the person's folder."""
    (tmp_path / "nobody" / "app").mkdir(parents=True)
    home.put(f"{sha(str(tmp_path.resolve() / 'nobody' / 'app'))}.json", [session()])
    stem = next((home.path / "sessions").iterdir()).stem
    assert only(home, workspace_mapping={stem: "~/app"})[::2] == (str(tmp_path.resolve() / "nobody/app"), "mapped")


# Files that cannot be used


@pytest.mark.parametrize(
    "text",
    ["[]", '{"a": 1}', '{"a": ["/x"]}', "not json", '{"a": "/x"', '"/x"', "\ud800", '{"a": "\\ud800"}', "[" * 100_000],
)
def test_a_mapping_file_that_cannot_be_used(tmp_path: Path, text: str):
    """One sentence that names the file and how it should look; nothing is overwritten."""
    path = tmp_path / "workspace_mapping.json"
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    with pytest.raises(SourceError, match=r'workspace_mapping\.json: .*\. Write it as {"hash": "/path"}\.'):
        read_mapping(path)


def test_a_mapping_file_that_stops_the_run_before_it_begins(home):
    (home.path / "workspace_mapping.json").write_text("[]")
    home.put("a.json", [session()])
    run = home.run()
    assert isinstance(run.failure, SourceError)
    assert not home.database.exists()


def test_a_mapping_file_that_is_not_there(tmp_path: Path):
    """The home's own may be missing; one that was named may not."""
    assert read_mapping(tmp_path / "none.json") == {}
    with pytest.raises(SourceError, match=r"none\.json: there is no such file"):
        read_mapping(tmp_path / "none.json", must_exist=True)


def test_on_unmapped_fail_lists_every_hash(home):
    """Instead of migrating half."""
    home.write("/home/aki/app", [session()])
    unknown = sorted(home.write(f"/home/aki/{n}", [session(id=f"{n}")], mapped=False).stem for n in range(3))
    run = home.run(on_unmapped="fail")
    assert isinstance(run.failure, SourceError)
    assert run.failure.problem == f"no workspace path is known for {', '.join(unknown)}"
    assert not home.database.exists()


def test_a_hostile_worktree_path_costs_little(home):
    """A megabyte of escapes, a path of a hundred thousand parts, one with a NUL: none proves anything, none fails."""
    paths = ["\\" * 500_000, "/x" * 100_000, "/a\0b/c", "", "/", "relative", "~"]
    records = [session(id=f"s{n}", instances=[instance(worktreePath=path)]) for n, path in enumerate(paths)]
    home.put("0123456789abcdef.json", dumps(records).replace('"~"', '"\\ud800/x"'))
    assert only(home)[2] == "unmapped_workspace"
