"""migrate.ipynb in JupyterLab, as a person uses it: from the first look to the published database."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import nbformat
import pytest

from ait42nb.mapping import workspace_hash
from ait42nb.samples import instance, message, session

SECRET = "極秘の仕様 secret-marker"


@pytest.fixture
def asked(home, tmp_path: Path) -> dict[str, str]:
    """A home of which three workspaces cannot be found: one that is here, one that is not, and one that was renamed."""
    here = tmp_path / "プロジェクト" / "議事録まとめ🎤"
    (here / "src").mkdir(parents=True)
    (tmp_path / "プロジェクト" / "家計簿").mkdir()
    workspaces = {"here": str(here), "gone": "/Volumes/外付け/古い仕事/請求書システム", "renamed": "/home/aki/old-name"}
    for number, (name, workspace) in enumerate(workspaces.items()):
        home.write(workspace, [_session(f"{name}-{n}", number, n) for n in range(3)], mapped=False)
    worktree = instance(worktreePath="/home/aki/src/app/src-tauri/.worktrees/competition-1/instance-1")
    home.write("/home/aki/src/app", [session(id="known", instances=[worktree])], mapped=False)
    return {name: workspace_hash(workspace) for name, workspace in workspaces.items()} | {"path": str(here)}


def _session(name: str, month: int, day: int) -> dict[str, object]:
    created = f"2025-{month + 3:02d}-{day + 1:02d}T09:00:00.000Z"
    return session(
        id=name,
        task=f"{SECRET} {name}",
        createdAt=created,
        updatedAt=created,
        instances=[instance(worktreePath=f"/tmp/worktree-{name}", branch=f"feature/{name}-secret-branch")],
        chatHistory=[message(id=f"msg-{name}", content=f"{SECRET} chat")],
    )


def _field(person, hash_: str):
    return person.page.get_by_label(f"Folder of {hash_}", exact=True)


def _stored(home) -> list[tuple]:
    with closing(sqlite3.connect(f"file:{home.database}?mode=ro", uri=True)) as connection:
        return connection.execute("select workspace_path, count(*) from sessions group by 1 order by 1").fetchall()


def test_from_the_first_look_to_the_database(home, asked, open_notebook):
    """Dry run, the form by keyboard alone, the real run; no key that is pressed in the form reaches a cell."""
    person = open_notebook("migrate.ipynb", ait42_home=str(home.path), redact=False)
    keyboard = person.page.keyboard
    before = person.cells()
    person.run_all()
    assert "3 of 4 workspaces are not known" in person.outputs()
    assert not home.database.exists()

    _field(person, asked["here"]).click()
    person.shot("form_empty")
    keyboard.type("bxdd azc")  # each of them a command, if a cell heard it
    for key in ("Escape", "b", "ArrowDown", "ArrowUp", "Shift+Enter", "Enter"):
        keyboard.press(key)
    assert person.cells() == before
    keyboard.press("Control+a")
    start = asked["path"].rpartition("/")[0]
    keyboard.type(f"{start}/議", delay=20)
    person.sees("Beginning so: 議事録まとめ🎤")
    keyboard.press("Enter")  # completes the name, and as it matches then, saves
    person.sees("1 in workspace_mapping.json in the home, 2 left")
    assert _field(person, asked["here"]).input_value() == f"{asked['path']}/"

    person.tab_to(f"Folder of {asked['gone']}", back=asked["gone"] < asked["here"])
    keyboard.type("/Volumes/外付け/古い仕事/請求書システム/", delay=5)
    person.sees("It does not exist on this machine, which is no fault")
    person.tab_to(f"Folder of {asked['renamed']}", back=asked["renamed"] < asked["gone"])
    keyboard.type("/home/aki/new-name", delay=5)
    person.sees("Does not match", exact=True)
    person.tab_to("To take it all the same, type accept")
    keyboard.type("dd accept")
    keyboard.press("Home")
    for _ in range(3):
        keyboard.press("Delete")
    person.sees("It will be taken although it does not match")
    person.shot("form_filled")
    keyboard.press("Enter")
    person.sees("2 in workspace_mapping.json in the home")
    person.shot("form_saved")
    assert person.cells() == before
    assert json.loads((home.path / "workspace_mapping.json").read_text()) == {
        asked["here"]: asked["path"],
        asked["gone"]: "/Volumes/外付け/古い仕事/請求書システム",
        asked["renamed"]: "/home/aki/new-name",
    }
    assert json.loads((home.path / "workspace_mapping_accepted.json").read_text()) == [asked["renamed"]]

    person.page.locator(".jp-Cell").nth(1).locator(".cm-content").click()
    keyboard.press("Control+End")
    keyboard.type("\ndry_run = False")
    person.run_all()
    assert "there is nothing to type" in person.outputs()
    assert "Staging: " in person.outputs() and person.page.locator(".jp-OutputArea progress").count() == 0
    assert person.page.locator('.jp-OutputArea-output[data-mime-type*="stderr"]').count() == 0
    assert "Complete: nothing is held back" in person.outputs()
    assert _stored(home) == [
        ("/Volumes/外付け/古い仕事/請求書システム", 3),
        ("/home/aki/new-name", 3),
        ("/home/aki/src/app", 1),
        (asked["path"], 3),
    ]
    person.shot("published")


def test_stepping_on_after_saving(home, asked, open_notebook):
    """Who steps through runs the next cell, and what was saved counts; the mouse gives the keyboard back to a field."""
    person = open_notebook("migrate.ipynb", ait42_home=str(home.path))
    for cell in (1, 3, 5, 7, 9):
        person.run_cell(cell)
    before = person.cells()

    _field(person, asked["here"]).fill(asked["path"])
    person.sees("Matches", exact=True)
    person.page.get_by_role("button", name="Save", exact=True).click()
    person.sees("Run the next cell to go on")
    person.page.wait_for_timeout(300)
    person.page.keyboard.type("dd")

    assert person.cells() == before
    assert "Folder of" in person.focused()
    person.run_cell(10)
    assert "2 of 4 workspaces are not known" in person.outputs()

    for cell in (3, 5):  # from the top again, in the same kernel
        person.run_cell(cell)
    assert "another run" not in person.outputs() and "Blocking" not in person.outputs()
    assert "2 of 4 files are known at once" in person.outputs()


def test_nothing_private_is_kept_under_redact(home, asked, open_notebook):
    """After typing and saving, the notebook's file has no path, no task and no branch in it."""
    person = open_notebook("migrate.ipynb", ait42_home=str(home.path))
    person.run_all()
    _field(person, asked["here"]).fill(asked["path"])
    person.sees("Matches", exact=True)
    person.page.keyboard.press("Enter")
    person.sees("1 in workspace_mapping.json in the home")
    assert _field(person, asked["here"]).input_value() == ""
    person.shot("form_redacted")

    notebook = person.save()

    kept = json.dumps([cell.outputs for cell in notebook.cells if cell.cell_type == "code"], ensure_ascii=False)
    kept += json.dumps(notebook.metadata, ensure_ascii=False)
    assert asked["here"] in kept
    for private in ("secret", "極秘", "プロジェクト", str(home.path), "feature/"):
        assert private not in kept


def test_a_saved_notebook_still_tells_all(home, asked, open_notebook, server):
    """Opened by somebody who does not trust it, in a kernel that ran nothing of it: no cell is blank."""
    person = open_notebook("migrate.ipynb", ait42_home=str(home.path))
    person.run_all()
    notebook = person.save()
    notebook.cells[0].source += "\nPassed on."  # whoever changed it, the server has not signed that
    nbformat.write(notebook, person.path.with_name("passed_on.ipynb"))

    page = person.page
    page.goto(f"{server[0]}/lab/tree/passed_on.ipynb?token=browser-tests&reset")
    page.wait_for_selector(".jp-OutputArea table")
    person.ready()
    page.locator(".jp-Cell").nth(9).scroll_into_view_if_needed()
    page.get_by_text("The same as a table").click()

    assert page.locator('.jp-StatusBar-Right-item [data-icon*="not-trusted"], [title*="not trusted"]').count()
    asking = page.locator(".jp-Cell").nth(9)
    assert asking.get_by_text("A form to type in stands here while the notebook runs").is_visible()
    assert asking.locator("table").get_by_text(asked["gone"]).is_visible()
    assert asking.locator("input").count() == 0
    person.shot("reopened")
    page.get_by_role("heading", name="Where did every record go?").scroll_into_view_if_needed()
    person.shot("reopened_picture")
    widths = page.evaluate("[...document.querySelectorAll('.jp-OutputArea img')].map(image => image.naturalWidth)")
    assert len(widths) >= 4 and all(widths)
