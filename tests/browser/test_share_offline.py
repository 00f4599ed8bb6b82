"""The page to pass on in a real browser: it asks for nothing, complains of nothing and shows its pictures."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from ait42nb import samples
from ait42nb.display import (
    Details,
    Notice,
    Stack,
    Step,
    Steps,
    Table,
)
from ait42nb.pictures import bar_picture, flow_picture, history_picture
from ait42nb.share import share

ROOT = Path(__file__).parents[2]
SCREENSHOTS = ROOT / "build" / "screenshots"
HOSTILE = "<img src=x onerror=\"document.title='run'\"><script>document.title='run'</script>"


@pytest.fixture
def page_file(tmp_path: Path) -> Path:
    """A report with one of each thing to show."""
    everything = [
        Notice("dry_run", "Nothing was written", HOSTILE),
        Steps([Step("good", "The home is readable"), Step("blocking", "The database is open", "Close the editor")]),
        flow_picture({"sessions": {"source": 3, "inserted": 2, "held": 1}}),
        bar_picture("By workspace", {"日本語": 12, HOSTILE: 1}),
        history_picture("By month", [("2025-01", "competition", 4), ("2025-03", HOSTILE, 2)]),
        Stack(Table([(HOSTILE, 1)], ["reason", "records"]), Details("More", HOSTILE * 20)),
    ]
    notebook = new_notebook(metadata={"kernelspec": {"name": "python3", "display_name": "Python 3"}})
    notebook.cells = [new_markdown_cell("# Report\n\n## Found")] + [
        new_code_cell("", outputs=[new_output("display_data", data=thing._repr_mimebundle_())]) for thing in everything
    ]
    nbformat.write(notebook, tmp_path / "out.ipynb")
    return share(tmp_path / "out.ipynb")


@pytest.fixture(scope="module")
def real_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of a made-up history, as papermill and `make report` leave it."""
    folder = tmp_path_factory.mktemp("real")
    samples.write_home(folder / "home", broken=True)
    command = [sys.executable, "-m", "papermill", ROOT / "notebooks" / "migrate.ipynb", folder / "out.ipynb"]
    options = ["-p", "ait42_home", folder / "home", "-p", "dry_run", "false", "--no-progress-bar"]
    subprocess.run([*command, *options], cwd=ROOT, check=True)
    return share(folder / "out.ipynb")


def opened_offline(chromium, file: Path, scheme: str):
    """The page in a browser without a network, which asks for nothing but the file and complains of nothing."""
    page = chromium.new_context(offline=True, color_scheme=scheme, viewport={"width": 1100, "height": 900}).new_page()
    requests, complaints = [], []
    page.on("request", lambda request: requests.append(request.url))
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(file.as_uri())

    assert [url for url in requests if not url.startswith("data:")] == [file.as_uri()]
    assert complaints == []
    assert page.evaluate("document.scripts.length") == 0
    return page


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_needs_no_network(chromium, page_file: Path, scheme: str):
    """No script, every picture drawn, and a list of contents."""
    page = opened_offline(chromium, page_file, scheme)

    assert page.title() == "Report"
    assert page.evaluate("[...document.images].map(image => image.naturalWidth > 0)") == [True] * 3
    assert page.locator("nav a").inner_text() == "Found"
    page.context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_real_report_is_complete_on_its_page(chromium, real_file: Path, scheme: str):
    """Every heading is in the contents and has an answer, nothing is wider than the page, and no code is shown."""
    page = opened_offline(chromium, real_file, scheme)

    headings = page.locator("h2").all_inner_texts()
    assert headings == page.locator("nav a").all_inner_texts() and "Where did every record go?" in headings
    assert page.evaluate("[...document.images].every(image => image.naturalWidth > 0 && image.alt.length > 20)")
    assert page.evaluate("document.images.length") == 5
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert "run.step" not in page.locator("body").inner_text()
    assert "Verifying: " in page.locator("body").inner_text()
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=SCREENSHOTS / f"report_{scheme}.png", full_page=True)
    page.context.close()
