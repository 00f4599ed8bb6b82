"""The form for workspaces and the table in its place: asks, judges, saves, and never waits. Browsers: tests/browser."""

from __future__ import annotations

import json
import unicodedata

import pytest
from test_display import HOSTILE, TAGS, Parsed

from ait42nb import pipeline, widgets
from ait42nb.display import Shown
from ait42nb.mapping import workspace_hash
from ait42nb.samples import instance, session
from ait42nb.widgets import complete, folders_beginning

GONE = "/Volumes/外付け/古い仕事/請求書システム"
RENAMED = "/home/aki/old-name"


def told(number: int, task: str = "電卓に括弧を足す") -> list[dict[str, object]]:
    """Sessions of a workspace that nothing in the file tells."""
    worker = instance(worktreePath=f"/tmp/worktree-{number}", branch=f"feature/{number}")
    return [
        session(id=f"{number}-{day}", task=task, createdAt=f"2025-03-0{day}T09:00:00Z", instances=[worker])
        for day in (1, 2)
    ]


@pytest.fixture
def shown(monkeypatch) -> list[object]:
    """What was displayed."""
    seen: list[object] = []
    monkeypatch.setattr("IPython.display.display", lambda thing, raw=False: seen.append(thing))
    return seen


@pytest.fixture
def ask(home, monkeypatch, shown):
    """Run the cell that asks, where somebody can type; gives the form."""
    forms = []

    class Kept(widgets.WorkspaceForm):
        def __init__(self, *of: object) -> None:
            super().__init__(*of)
            forms.append(self)

    def asked(**parameters: object) -> widgets.WorkspaceForm:
        monkeypatch.setattr(widgets, "has_front_end", lambda: True)
        monkeypatch.setattr(widgets, "WorkspaceForm", Kept)
        widgets.ask_for_workspaces(started(home, **parameters))
        return forms[-1]

    yield asked
    for form in forms:
        form.run.close()


def started(home, **parameters: object) -> pipeline.Run:
    run = pipeline.start({"ait42_home": str(home.path), "redact": False} | parameters)
    for stage in (pipeline.take_inventory, pipeline.take_snapshot, pipeline.map_workspaces):
        run.step(stage)
    return run


def row_of(form: widgets.WorkspaceForm, workspace: str) -> widgets.WorkspaceRow:
    (row,) = (row for row in form.rows if row.hash == workspace_hash(workspace))
    return row


def press_enter(field: object) -> None:
    """What the front end sends."""
    field._handle_custom_msg({"event": "submit"}, [])


def words(html: str) -> str:
    return Parsed(html).words


def saved(home) -> dict[str, str]:
    return json.loads((home.path / "workspace_mapping.json").read_text(encoding="utf-8"))


# Asking ---------------------------------------------------------------------------------------------------------------


def test_where_nobody_can_type_the_facts_stand_in_a_table(home, shown):
    """Without a front end the cell shows all that is known, and goes on."""
    home.write(GONE, told(1), mapped=False)
    run = started(home)
    widgets.ask_for_workspaces(run)
    run.close()

    (table,) = shown
    assert isinstance(table, Shown)
    line = str(table).splitlines()[-1]
    for fact in (workspace_hash(GONE), "2", "2025-03-01", "2025-03-02", "feature/1", "電卓に括弧を足す", "not known"):
        assert fact in line


def test_the_form_shows_what_the_table_shows(home, ask, shown):
    """Every fact of the table stands beside the field, and the table below it for whoever reads later."""
    home.write(GONE, told(1), mapped=False)
    form = ask()

    bundle, details = shown
    facts = words(form.rows[0].widget.children[0].value)
    for fact in (workspace_hash(GONE), "2 sessions", "2025-03-01 to 2025-03-02", "feature/1", "電卓に括弧を足す"):
        assert fact in facts
    assert workspace_hash(GONE) in str(details)
    assert set(bundle) == {"application/vnd.jupyter.widget-view+json", "text/plain"}


def test_nothing_is_asked_that_is_known(home, shown):
    home.write("/home/aki/app", told(1))
    run = started(home)
    widgets.ask_for_workspaces(run)
    run.close()

    assert "there is nothing to type" in str(shown[0])


def test_after_a_failure_nothing_is_asked(home, shown):
    home.write(GONE, told(1), mapped=False)
    run = started(home, on_unmapped="fail")
    widgets.ask_for_workspaces(run)
    run.close()

    assert run.failure and "no workspace path is known" in str(shown[0])


def test_a_given_mapping_is_not_asked_beside(home, monkeypatch, shown):
    """Whoever gives a mapping of their own would save into a file that nobody reads."""
    monkeypatch.setattr(widgets, "has_front_end", lambda: True)
    home.write(GONE, told(1), mapped=False)
    run = started(home, workspace_mapping={"0" * 16: "/x"})
    widgets.ask_for_workspaces(run)
    run.close()

    assert len(shown) == 1 and "Workspaces that are not known" in str(shown[0])


def test_a_browser_bears_only_so_many_rows(home, ask, monkeypatch):
    monkeypatch.setattr(widgets, "MOST_ASKED", 2)
    for number in range(5):
        home.write(f"/gone/{number}", told(number), mapped=False)
    form = ask()

    assert len(form.rows) == 2
    assert "3 more are asked for" in words(form.widget.children[0].value)


@pytest.mark.parametrize("hostile", HOSTILE)
def test_hostile_text_is_never_live(home, ask, shown, hostile):
    """Neither in the form, nor in the table; a long path without a blank is broken and stays on the page."""
    home.write(GONE, told(1, task=hostile.replace("\ud800", "") + "\n" + "長" * 400), mapped=False)
    form = ask()
    form.rows[0].path.value = "/" + hostile

    for html in (
        form.rows[0].widget.children[0].value,
        form.rows[0].verdict.value,
        form.told.value,
        str(shown[1].html()),
    ):
        parsed = Parsed(html)
        assert parsed.tags <= TAGS | {"br"}
        assert not any(name.startswith("on") for name in parsed.attributes)
    assert "overflow-wrap:anywhere" in form.rows[0].widget.children[0].value


# Judging --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("typed", "word", "more"),
    [
        ("", "Not said", "held back"),
        ("Volumes", "Not said", "from / on"),
        (GONE, "Matches", "It does not exist on this machine"),
        (f"  {GONE}//", "Matches", ""),
        (unicodedata.normalize("NFD", GONE), "Matches", ""),
        (f"{GONE}/src/deep", "Too deep", f"A folder above it matches: {GONE}"),
        (RENAMED, "Another file", f"This is the folder of {workspace_hash(RENAMED)}"),
        ("/Volumes/外付け", "Does not match", "It does not exist on this machine"),
        ("/", "Does not match", "It exists here"),
        ("/\0", "Not said", ""),
    ],
)
def test_a_path_is_judged_as_it_is_typed(home, ask, typed, word, more):
    home.write(GONE, told(1), mapped=False)
    home.write(RENAMED, told(2), mapped=False)
    row = row_of(ask(), GONE)
    row.path.value = typed

    assert words(row.verdict.value).startswith(word)
    assert more in words(row.verdict.value)
    assert (row.accept.layout.display != "none") == (word in ("Too deep", "Another file", "Does not match"))


def test_a_folder_that_exists_is_said_to(home, ask, tmp_path):
    folder = tmp_path / "議事録まとめ🎤"
    folder.mkdir()
    home.write(str(folder), told(1), mapped=False)
    row = row_of(ask(), str(folder))
    row.path.value = str(folder)

    assert words(row.verdict.value) == "Matches\u2002It exists here."


# Saving ---------------------------------------------------------------------------------------------------------------


def test_enter_saves_what_matches_and_keeps_what_was_there(home, ask):
    """The spelling that the hash proves is saved, beside what the file said already; the next cell knows it."""
    home.write("/home/aki/app", told(1))
    home.write(GONE, told(2), mapped=False)
    home.write(RENAMED, told(3), mapped=False)
    form = ask()
    row = row_of(form, GONE)
    row.path.value = unicodedata.normalize("NFD", GONE) + "/"
    press_enter(row.path)

    assert saved(home) == {workspace_hash("/home/aki/app"): "/home/aki/app", workspace_hash(GONE): GONE}
    assert (
        words(form.told.value)
        == "Saved\u20021 in workspace_mapping.json in the home, 1 left. Run the next cell to go on."
    )
    mapped = form.run.step(pipeline.map_workspaces, again=True)
    assert [w.workspace_path for w in mapped.workspaces if w.state == "mapped"].count(GONE) == 1
    assert not (home.path / "workspace_mapping_accepted.json").exists()


def test_what_does_not_match_is_saved_only_when_accepted(home, ask):
    """By the word alone, in full-width letters too; then its hash stands among the accepted ones."""
    home.write(RENAMED, told(1), mapped=False)
    form = ask()
    (row,) = form.rows
    row.path.value = "/home/aki/new-name"
    press_enter(row.path)
    assert not home.path.joinpath("workspace_mapping.json").exists()
    assert words(form.told.value) == "Nothing to save\u2002No path matches yet."

    row.accept.value = "ＡＣＣＥＰＴ "
    press_enter(row.accept)
    assert saved(home) == {workspace_hash(RENAMED): "/home/aki/new-name"}
    accepted = json.loads((home.path / "workspace_mapping_accepted.json").read_text())
    assert accepted == [workspace_hash(RENAMED)]

    row.path.value = "/home/aki/other"
    assert row.accept.value == "" and not row.ready


def test_letters_that_come_after_enter_are_saved_in_their_own_field_only(home, ask):
    """A front end may hold the last letters back; what the next field gets meanwhile waits for an Enter of its own."""
    home.write(GONE, told(1), mapped=False)
    home.write(RENAMED, told(2), mapped=False)
    form = ask()
    first, second = row_of(form, GONE), row_of(form, RENAMED)
    first.path.value = GONE[:-1]
    press_enter(first.path)
    second.path.value = RENAMED
    assert not home.path.joinpath("workspace_mapping.json").exists()

    first.path.value = GONE
    assert saved(home)[workspace_hash(GONE)] == GONE


def test_a_mapping_file_that_cannot_be_read_is_not_overwritten(home, ask):
    home.write(GONE, told(1), mapped=False)
    form = ask()
    (home.path / "workspace_mapping.json").write_text("{broken")
    form.rows[0].path.value = GONE
    form.button.click()

    assert words(form.told.value).startswith("Not saved")
    assert (home.path / "workspace_mapping.json").read_text() == "{broken"


def test_under_redact_nothing_that_was_typed_stays(home, ask):
    """Neither task nor branch is shown, and a saved path leaves the page."""
    home.write(GONE, told(1), mapped=False)
    form = ask(redact=True)
    (row,) = form.rows
    assert words(row.widget.children[0].value) == f"{workspace_hash(GONE)}\u20022 sessions, 2025-03-01 to 2025-03-02"
    row.path.value = GONE
    press_enter(row.path)

    assert (row.path.value, row.path.options) == ("", ())
    assert saved(home) == {workspace_hash(GONE): GONE}
    assert "外付け" not in form.told.value + row.verdict.value


def test_after_the_run_has_ended_the_form_says_to_begin_again(home, ask):
    home.write(GONE, told(1), mapped=False)
    form = ask()
    form.run.close()
    form.rows[0].path.value = GONE
    form.button.click()

    assert "Run the notebook again from the top" in words(form.told.value)


# For a screen reader, and for a keyboard ------------------------------------------------------------------------------


def test_every_field_has_a_name_of_its_own(home, ask):
    """And every thing that can have the focus by Tab is a text field."""
    home.write(GONE, told(1), mapped=False)
    home.write(RENAMED, told(2), mapped=False)
    form = ask()

    names = [row.path.description for row in form.rows]
    assert len({*names}) == 2 and all(row.hash in row.path.description for row in form.rows)
    assert all(row.accept.description for row in form.rows)
    assert form.button.tabbable is False


# Folders --------------------------------------------------------------------------------------------------------------


@pytest.fixture
def folders(tmp_path):
    for name in ("議事録", "議事録まとめ🎤", "src", ".hidden"):
        (tmp_path / name).mkdir()
    (tmp_path / "議事録.txt").write_text("no folder")
    return str(tmp_path)


def test_a_typed_name_is_completed_as_far_as_it_is_clear(folders):
    """As a shell does: up to where names part, and with a slash where only one is left."""
    assert complete(f"{folders}/議") == f"{folders}/議事録"
    assert complete(f"{folders}/議事録") == ""
    assert complete(f"{folders}/議事録ま") == f"{folders}/議事録まとめ🎤/"
    assert complete(f"{folders}/nothing") == complete("") == complete("relative") == ""


def test_folders_are_offered_in_the_spelling_of_the_disk(folders):
    typed = unicodedata.normalize("NFD", "議事録ま")
    assert folders_beginning(f"{folders}/{typed}") == [f"{folders}/議事録まとめ🎤"]
    assert folders_beginning(f"{folders}/") == [f"{folders}/{name}" for name in ("src", "議事録", "議事録まとめ🎤")]
    assert folders_beginning(f"{folders}/.") == [f"{folders}/.hidden"]
    assert folders_beginning("/\0") == folders_beginning(f"{folders}/src/x/y") == []


def test_enter_completes_and_saves_at_once_when_it_matches_then(home, ask, folders):
    home.write(f"{folders}/議事録まとめ🎤", told(1), mapped=False)
    form = ask()
    (row,) = form.rows
    row.path.value = f"{folders}/議事録ま"
    assert "Beginning so: 議事録まとめ🎤" in words(row.verdict.value)
    press_enter(row.path)

    assert row.path.value == f"{folders}/議事録まとめ🎤/"
    assert words(form.told.value).startswith("Saved")
    assert saved(home) == {row.hash: f"{folders}/議事録まとめ🎤"}
