"""The page to pass on in a real browser: it asks for nothing, complains of nothing and shows its pictures."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

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

playwright = pytest.importorskip("playwright.sync_api")
CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium")
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


@pytest.mark.skipif(not CHROMIUM, reason="needs Chromium")
def test_the_page_needs_no_network(page_file: Path):
    """Offline, in light and dark: no request but the file, no console message, no script, and every picture drawn."""
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        for scheme in ("light", "dark"):
            page = browser.new_context(offline=True, color_scheme=scheme).new_page()
            requests, complaints = [], []
            page.on("request", lambda request, seen=requests: seen.append(request.url))
            page.on("console", lambda message, seen=complaints: seen.append(message.text))
            page.on("pageerror", lambda error, seen=complaints: seen.append(str(error)))

            page.goto(page_file.as_uri())

            assert [url for url in requests if not url.startswith("data:")] == [page_file.as_uri()]
            assert complaints == []
            assert page.title() == "Report"
            assert page.evaluate("[...document.images].map(image => image.naturalWidth > 0)") == [True] * 3
            assert page.evaluate("document.scripts.length") == 0
            assert page.locator("nav a").inner_text() == "Found"
        browser.close()
