"""A notebook executed in this very process, by papermill: a kernel for each home costs more than its migration.

What comes out is what papermill with a kernel writes: parameters injected, outputs, the banner of a cell that failed.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from contextlib import redirect_stderr, redirect_stdout, suppress
from io import StringIO
from pathlib import Path
from types import ModuleType

import papermill
from IPython.core.displayhook import DisplayHook
from IPython.core.displaypub import DisplayPublisher
from IPython.core.interactiveshell import InteractiveShell
from IPython.core.profiledir import ProfileDir
from nbformat import NotebookNode
from nbformat.v4 import new_output
from papermill.engines import Engine, NotebookExecutionManager, papermill_engines
from papermill.exceptions import PapermillExecutionError
from traitlets.config import Config


def execute(notebook: str, parameters: Mapping[str, object]) -> tuple[str, dict[str, object]]:
    """Run a notebook's cells, one after the other, up to one that fails.

    Returns: the executed notebook, complete or up to the failed cell, and the variables that it left
    Rule:    one at a time in a process: IPython knows of one shell
    """
    with tempfile.TemporaryDirectory(prefix="ait42nb-") as folder:
        source, executed = Path(folder, "source.ipynb"), Path(folder, "executed.ipynb")
        source.write_text(notebook, encoding="utf-8")
        with suppress(PapermillExecutionError):  # it stands in the notebook
            papermill.execute_notebook(
                source,
                executed,
                dict(parameters),
                engine_name=_Here.__name__,
                request_save_on_cell_execute=False,
                progress_bar=False,
            )
        return executed.read_text(encoding="utf-8"), _shell().user_ns


class _Here(Engine):
    """Papermill's engine without a kernel."""

    @classmethod
    def execute_managed_notebook(cls, manager: NotebookExecutionManager, kernel_name: str, **_: object) -> None:
        shell = _shell()
        shell.reset()
        for index, cell in enumerate(manager.nb.cells):
            if cell.cell_type != "code":
                continue
            manager.cell_start(cell, index)
            failed = shell.run(cell)
            if failed:
                manager.cell_exception(cell, index)
            manager.cell_complete(cell, index)
            if failed:
                break


papermill_engines.register(_Here.__name__, _Here)


class _Published(DisplayPublisher):
    def publish(self, data: dict, metadata: dict | None = None, **_: object) -> None:
        self.shell.outputs.append(new_output("display_data", data, metadata=metadata or {}))


class _Result(DisplayHook):
    def write_output_prompt(self) -> None:
        """A notebook shows the number beside the cell."""

    def write_format_data(self, format_dict: dict, md_dict: dict | None = None) -> None:
        self.shell.outputs.append(
            new_output(
                "execute_result", format_dict, metadata=md_dict or {}, execution_count=self.shell.execution_count
            )
        )

    def finish_displayhook(self) -> None:
        self._is_active = False


class _Shell(InteractiveShell):
    """IPython, whose outputs are gathered as a notebook keeps them."""

    outputs: list[NotebookNode]

    def run(self, cell: NotebookNode) -> bool:
        """Run a cell and keep its outputs in it. Returns: whether it failed."""
        self.outputs = []
        stdout, stderr = StringIO(), StringIO()
        cell.execution_count = self.execution_count
        with redirect_stdout(stdout), redirect_stderr(stderr):
            result = self.run_cell(cell.source, store_history=True)
        streams = (("stdout", stdout.getvalue()), ("stderr", stderr.getvalue()))
        cell.outputs = [new_output("stream", name=name, text=text) for name, text in streams if text] + self.outputs
        return not result.success

    def _showtraceback(self, etype: type, evalue: BaseException, stb: list[str]) -> None:
        self.outputs.append(new_output("error", ename=etype.__name__, evalue=str(evalue), traceback=stb))


def _shell() -> _Shell:
    """The process's shell. It is made once: IPython never lets go of one."""
    if not _Shell.initialized():
        with tempfile.TemporaryDirectory() as profile:  # nothing is read from or left in anybody's own
            _Shell.instance(
                config=Config({"HistoryManager": {"enabled": False}}),
                ipython_dir=profile,
                profile_dir=ProfileDir(location=profile),
                user_module=ModuleType("__notebook__"),
                display_pub_class=_Published,
                displayhook_class=_Result,
            )
    return _Shell.instance()
