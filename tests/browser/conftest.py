"""A JupyterLab of its own, and a person in front of it: Chromium, driven by keys and clicks."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).parents[2]
SCREENSHOTS = ROOT / "build" / "screenshots"
CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium")
TOKEN = "browser-tests"
PATIENCE = 60_000  # ms; a busy machine takes its time


class Person:
    """Somebody with a notebook open in JupyterLab."""

    def __init__(self, page, path: Path) -> None:
        self.page, self.path = page, path

    def ready(self) -> None:
        """Wait until the kernel rests. A run that was just begun needs a moment to show."""
        self.page.wait_for_timeout(700)
        self.page.wait_for_selector('.jp-Notebook-ExecutionIndicator[data-status="idle"]', timeout=PATIENCE)

    def run_all(self) -> None:
        """Run the notebook, and wait until its last cell has a new number."""
        before = self.page.locator(".jp-CodeCell .jp-InputPrompt").last.text_content()
        self.page.get_by_role("menuitem", name="Run", exact=True).click()
        self.page.get_by_text("Run All Cells", exact=True).click()
        self.page.wait_for_function(
            """before => {
                const prompts = [...document.querySelectorAll('.jp-CodeCell .jp-InputPrompt')]
                const last = prompts.pop().textContent
                return last !== before && /[0-9]/.test(last)
            }""",
            arg=before,
            timeout=5 * PATIENCE,
        )
        self.ready()

    def run_cell(self, number: int) -> None:
        self.page.locator(".jp-Cell").nth(number).scroll_into_view_if_needed()
        self.page.locator(".jp-Cell").nth(number).locator(".cm-content").click()
        self.page.keyboard.press("Control+Enter")
        self.ready()

    def cells(self) -> list[str]:
        """Every cell's source, as it stands on the screen now."""
        return [cell.text_content() for cell in self.page.locator(".jp-Cell .jp-InputArea-editor").all()]

    def outputs(self) -> str:
        return "\n".join(area.text_content() for area in self.page.locator(".jp-OutputArea").all())

    def sees(self, words: str, *, exact: bool = False) -> None:
        """Wait until these words are shown."""
        self.page.get_by_text(words, exact=exact).first.wait_for()

    def focused(self) -> str:
        """The label of the field that has the keyboard; '' if none has."""
        return self.page.evaluate(
            "(e => e.labels && e.labels.length ? e.labels[0].textContent : '')(document.activeElement)"
        )

    def tab_to(self, label: str, *, back: bool = False) -> None:
        for _ in range(30):
            if label in self.focused():
                return
            self.page.keyboard.press("Shift+Tab" if back else "Tab")
        raise AssertionError(f"Tab does not lead to {label!r}")

    def shot(self, name: str, selector: str = "") -> Path:
        """A picture of the page, or of one thing on it, to look at."""
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        file = SCREENSHOTS / f"{name}.png"
        self.page.mouse.move(2, 2)
        if selector:
            self.page.locator(selector).first.screenshot(path=file)
        else:
            self.page.screenshot(path=file)
        return file

    def theme(self, name: str) -> None:
        self.page.get_by_role("menuitem", name="Settings", exact=True).click()
        self.page.locator(".lm-Menu-itemLabel", has_text="Theme").first.hover()
        self.page.get_by_text(name, exact=True).click()
        self.page.wait_for_timeout(1500)

    def save(self) -> nbformat.NotebookNode:
        self.page.get_by_role("menuitem", name="File", exact=True).click()
        self.page.get_by_text("Save Notebook", exact=True).click()
        self.page.wait_for_timeout(1500)
        return nbformat.read(self.path, as_version=4)


@pytest.fixture(scope="session")
def chromium() -> Iterator[object]:
    playwright = pytest.importorskip("playwright.sync_api")
    if not CHROMIUM:
        pytest.skip("needs Chromium")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """JupyterLab on loopback, with a home and settings that nobody else has."""
    folder = tmp_path_factory.mktemp("lab")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
    environment |= {"HOME": str(folder), "JUPYTER_CONFIG_DIR": str(folder / "config"), "PYTHONPATH": str(ROOT)}
    options = {
        "ip": "127.0.0.1",
        "port": port,
        "IdentityProvider.token": TOKEN,
        "ServerApp.root_dir": folder,
        "ServerApp.port_retries": 0,
    }
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root"]
    with (folder / "server.log").open("w") as log:
        process = subprocess.Popen(
            command + [f"--{name}={value}" for name, value in options.items()],
            env=environment,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        try:
            address = f"http://127.0.0.1:{port}"
            _wait(f"{address}/api/status?token={TOKEN}", process)
            yield address, folder
        finally:
            process.terminate()
            process.wait(30)


def _wait(address: str, process: subprocess.Popen) -> None:
    for _ in range(240):
        try:
            urllib.request.urlopen(address, timeout=5).close()
            return
        except (urllib.error.URLError, OSError):
            assert process.poll() is None, "JupyterLab ended"
            time.sleep(0.5)
    raise AssertionError("JupyterLab does not answer")


@pytest.fixture
def open_notebook(server: tuple[str, Path], chromium, request: pytest.FixtureRequest):
    """Open a copy of one of our notebooks, with parameters of its own in the parameters cell."""
    address, folder = server
    pages = []

    def opened(name: str, **parameters: object) -> Person:
        notebook = nbformat.read(ROOT / "notebooks" / name, as_version=4)
        (cell,) = (cell for cell in notebook.cells if "parameters" in cell.metadata.get("tags", []))
        cell.source += "".join(f"\n{key} = {value!r}" for key, value in parameters.items())
        path = folder / f"{request.node.name}_{len(pages)}.ipynb"
        nbformat.write(notebook, path)
        context = chromium.new_context(viewport={"width": 1360, "height": 1000})
        page = context.new_page()
        page.set_default_timeout(PATIENCE)
        pages.append(context)
        page.goto(f"{address}/lab/tree/{path.name}?token={TOKEN}&reset")
        page.wait_for_selector(".jp-CodeCell .cm-content")
        page.keyboard.press("Control+b")  # the list of files takes a quarter of the room
        person = Person(page, path)
        person.ready()
        page.wait_for_function(
            "n => document.querySelectorAll('.jp-Cell .jp-InputArea-editor').length === n", arg=len(notebook.cells)
        )
        return person

    yield opened
    for context in pages:
        context.close()
