"""Many homes at once: one run of fleet.ipynb over a few homes that are all different, and its parts by themselves."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import distributed
import nbformat
import oracle
import psutil
import pytest
from conftest import Home

from ait42nb import fleet
from ait42nb.errors import HomeError, SettingsError
from ait42nb.execute import execute
from ait42nb.home import as_owner, refuse_links
from ait42nb.mapping import digest
from ait42nb.samples import instance, message, session
from ait42nb.settings import FleetSettings, read_settings
from ait42nb.summary import read_summary

ROOT = Path(__file__).parent.parent
NOBODY = 65534
AS_ROOT = sys.platform == "linux" and os.geteuid() == 0
needs_root = pytest.mark.skipif(not AS_ROOT, reason="only root can act as another user")


def made(path: Path, *sessions: object) -> Home:
    home = Home(path)
    home.write(f"/src/{path.parent.name}", list(sessions))
    return home


def owned(path: Path, user: int) -> Path:
    """The folder and all that is in it, given to a user."""
    for each in [path, *path.rglob("*")]:
        os.chown(each, user, user, follow_symlinks=False)
    return path


@pytest.fixture(scope="module")
def open_folder() -> Iterator[Path]:
    """A folder that every user may enter, as pytest's own is not."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


# The notebook ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Ran:
    """What the notebook left behind."""

    homes: dict[str, Home]
    code: int
    notebook: Path
    outputs: Path

    @property
    def summary(self) -> dict[str, object]:
        return read_summary(self.notebook)

    def each(self, name: str) -> dict[str, object]:
        """A home's line in the summary."""
        return next(one for one in self.summary["each"] if one["home"] == digest(str(self.homes[name].path)))


@pytest.fixture(scope="module")
def ran(open_folder: Path) -> Ran:
    """One home that is whole, one with a held record, one without sessions, one with a link; all another user's."""
    homes = {
        "whole": made(
            open_folder / "whole" / ".ait42",
            session(id="w", instances=[instance()], chatHistory=[message(id="w1"), message(id="w2", content="話")]),
        ),
        "held": made(open_folder / "held" / ".ait42", session(id="h"), {"id": "broken"}),
        "empty": Home(open_folder / "empty" / ".ait42"),
        "linked": Home(open_folder / "linked" / ".ait42"),
    }
    shutil.rmtree(homes["empty"].path / "sessions")
    shutil.rmtree(homes["linked"].path / "sessions")
    (homes["linked"].path / "sessions").symlink_to(homes["whole"].path / "sessions")
    for home in homes.values():
        if AS_ROOT:
            owned(home.path, NOBODY)
    outputs, notebook = open_folder / "outputs", open_folder / "fleet.ipynb"
    command = [sys.executable, "-m", "papermill", ROOT / "notebooks" / "fleet.ipynb", notebook, "--no-progress-bar"]
    command += [
        "-p",
        "workers",
        "1",
        "-p",
        "homes",
        open_folder / "*" / ".ait42",
        "-p",
        "dry_run",
        "false",
        "-p",
        "output_dir",
        outputs,
    ]
    process = subprocess.run([*map(str, command)], cwd=open_folder, capture_output=True, timeout=300)
    return Ran(homes, process.returncode, notebook, outputs)


def test_homes_do_not_stop_each_other(ran):
    """A home that fails fails the notebook, at its last cell; the others are complete."""
    assert ran.code == 1
    *cells, last = [cell for cell in nbformat.read(ran.notebook, 4).cells if cell.cell_type == "code"]
    assert [output.ename for output in last.outputs] == ["MigrationFailed"]
    assert not [output for cell in cells for output in cell.outputs if output.output_type == "error"]
    assert {name: ran.each(name)["outcome"] for name in ("whole", "held", "empty")} == {
        "whole": "ok",
        "held": "held",
        "empty": "failed",
    }
    for name in ("whole", "held"):
        oracle.check(ran.homes[name].path, ran.homes[name].database)


def test_summary_of_a_fleet(ran):
    """The numbers are those of all homes; what failed was tried once more."""
    assert ran.summary["outcome"] == "failed"
    assert ran.summary["homes"] == {"found": 4, "ok": 1 + (not AS_ROOT), "held": 1, "failed": 1 + AS_ROOT}
    assert ran.each("whole")["attempts"] == ["ok"]
    assert ran.each("empty")["attempts"] == ["failed", "failed"]
    assert "there is no folder 'sessions' in it" in ran.each("empty")["error"]
    if AS_ROOT:
        assert ran.summary["balance"]["sessions"]["source"] == 3
        assert ran.summary["balance"]["messages"]["inserted"] == 2


def test_notebook_of_each_home(ran):
    """Each home's executed notebook is kept, private, under a name that is nobody's text, and says the same."""
    kept = {path.name for path in ran.outputs.iterdir()}
    assert kept == {one["notebook"] for one in ran.summary["each"] if one["notebook"]}
    path = ran.outputs / ran.each("whole")["notebook"]
    assert path.name == f"{digest(str(ran.homes['whole'].path))}.ipynb"
    assert path.stat().st_mode & 0o777 == 0o600
    nbformat.validate(nbformat.read(path, 4))
    assert read_summary(path)["run_id"] == ran.each("whole")["run_id"]
    assert ran.homes["whole"].rows("select run_id from migration_runs") == [(ran.each("whole")["run_id"],)]


def test_fleet_is_redacted(ran, open_folder):
    """No path of a home is shown, in the summary or beside it."""
    cells = nbformat.read(ran.notebook, 4).cells
    shown = json.dumps([cell.outputs for cell in cells if cell.cell_type == "code"])
    assert str(open_folder) not in shown
    assert digest(str(ran.homes["whole"].path)) in shown


@needs_root
def test_files_belong_to_the_owner(ran):
    """What root's fleet makes in a home is its owner's, and nothing else changes hands."""
    for name in ("whole", "held", "empty", "linked"):
        home = ran.homes[name].path
        assert {path.lstat().st_uid for path in [home, *home.rglob("*")]} == {NOBODY}
    assert [*ran.homes["whole"].path.glob("sessions_backup_*.tar.gz")]


@needs_root
def test_no_link_is_followed(ran):
    """Root's fleet follows no link out of a home: nobody gets another's history by laying one."""
    assert ran.each("linked")["outcome"] == "failed"
    assert "is a link, and as root none is followed" in ran.each("linked")["error"]
    assert not ran.homes["linked"].database.exists()


# Its parts ------------------------------------------------------------------------------------------------------------


def found(*given: object, **settings: object) -> list[str]:
    run = fleet.start(homes=given[0] if len(given) == 1 else list(given), **settings)
    homes = run.step(fleet.find_homes)
    if run.failure:
        raise run.failure
    return [path.name for path in homes.paths]


def test_homes_by_glob_list_or_file(tmp_path):
    """`homes` is a glob, a list, or a file with one home a line; each home counts once, a folder rather than a link."""
    for name in ("a", "b", "[c]"):
        (tmp_path / name).mkdir()
    (tmp_path / "no folder").touch()
    (tmp_path / "link").symlink_to(tmp_path / "b")
    listed = tmp_path.parent / "homes.txt"
    listed.write_text(f"# ours\n{tmp_path}/b\n\n{tmp_path}/gone\n{tmp_path}/b/\n")

    assert found(f"{tmp_path}/*") == ["[c]", "a", "b"]
    assert found(f"{tmp_path}/a", f"{tmp_path}/[c]", f"{tmp_path}/gone") == ["a", "[c]", "gone"]
    assert found(json.dumps([f"{tmp_path}/b", f"{tmp_path}/a"])) == ["b", "a"]
    assert found(str(listed)) == ["b", "gone"]
    for nothing in ("", f"{tmp_path}/x*", []):
        with pytest.raises(SettingsError, match="names no home"):
            found(nothing)


def test_executed_without_a_kernel(home):
    """The notebook that a worker executes is one that papermill wrote: parameters, numbers, outputs, or the error."""
    template = fleet.NOTEBOOK.read_text(encoding="utf-8")
    home.write("/src/app", [session(id="s")])

    text, variables = execute(template, {"ait42_home": str(home.path), "dry_run": False})
    notebook = nbformat.reads(text, 4)
    nbformat.validate(notebook)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in code] == [*range(1, len(code) + 1)]
    assert "injected-parameters" in code[1].metadata.tags
    assert all(cell.outputs for cell in code[2:-1] if "again=True" not in cell.source)
    assert variables["run"].results and home.rows("select id from sessions") == [("s",)]

    text, _ = execute(template, {"ait42_home": str(home.path / "gone")})
    *_, last = [cell for cell in nbformat.reads(text, 4).cells if cell.cell_type == "code"]
    assert [output.ename for output in last.outputs] == ["MigrationFailed"]
    assert "papermill-error-cell-tag" in text


def test_local_cluster_is_ours_alone():
    """The cluster listens on the loopback only, and talks to nobody without its certificate."""
    with fleet._cluster(FleetSettings(workers=2), 2) as (client, threads):
        family = [psutil.Process(), *psutil.Process().children(recursive=True)]
        listening = {c.laddr.ip for p in family for c in p.net_connections() if c.status == psutil.CONN_LISTEN}
        assert listening == {"127.0.0.1"}
        assert client.scheduler.address.startswith("tls://127.0.0.1:")
        assert len(client.nthreads()) == 2 and threads == max(1, os.cpu_count() // 2)
        with (
            pytest.raises(SettingsError, match="no Dask scheduler"),
            fleet._cluster(FleetSettings(scheduler=client.scheduler.address.replace("tls", "tcp")), 1),
        ):
            raise AssertionError


def test_scheduler_of_ones_own(tmp_path):
    """`scheduler` names a cluster that others started, and that is there afterwards; a dry run writes into no home."""
    homes = [made(tmp_path / name / ".ait42", session(id=name)) for name in ("a", "b")]
    with distributed.LocalCluster(
        n_workers=1, threads_per_worker=2, host="127.0.0.1", dashboard_address="127.0.0.1:0", silence_logs=50
    ) as cluster:
        run = fleet.migrate(
            homes=f"{tmp_path}/*/.ait42", scheduler=cluster.scheduler_address, output_dir=str(tmp_path / "kept")
        )
        assert run.failure is None
        assert len(cluster.scheduler.workers) == 1

    summary = fleet.summarize(run)
    assert summary["homes"] == {"found": 2, "ok": 2, "held": 0, "failed": 0}
    assert summary["dry_run"] and summary["balance"]["sessions"]["inserted"] == 2
    for home in homes:
        assert sorted(path.name for path in home.path.iterdir()) == ["sessions", "workspace_mapping.json"]


@needs_root
def test_root_reaches_what_the_owner_reaches(open_folder):
    """While a home is migrated its owner's rights count, for threads too; then root's again."""
    home, secret = open_folder / "owners", open_folder / "secret"
    home.mkdir()
    os.chown(home, NOBODY, NOBODY)
    secret.write_text("root's")
    secret.chmod(0o600)
    with as_owner(home, Path(fleet.__file__)):
        (home / "file").touch()
        with pytest.raises(PermissionError):
            secret.read_text()
    assert (home / "file").stat().st_uid == NOBODY
    assert secret.read_text() == "root's"
    with pytest.raises(HomeError, match="may not be read by user"), as_owner(home, secret):
        raise AssertionError


@pytest.mark.parametrize("name", ["sessions", "sessions.db", "sessions.db-wal", "workspace_mapping.json", ""])
def test_links_out_of_a_home(tmp_path, name):
    """A link to elsewhere is refused wherever the kit reads or writes; one inside the home is not."""
    home, elsewhere = tmp_path / "home", tmp_path / "elsewhere"
    with ExitStack() as stack:
        (elsewhere if not name else home).mkdir()
        if name:
            (home / "inside").touch()
            (home / "other").symlink_to("/")
            (home / "sessions_backup_x.tar.gz").symlink_to(home / "inside")
            refuse_links(home)
        (home / name).symlink_to(elsewhere)
        stack.enter_context(pytest.raises(HomeError, match="is a link"))
        refuse_links(home)


def test_settings_of_a_fleet():
    """`homes` is a list, however it was given; what goes to each home is what `migrate.ipynb` knows."""
    assert read_settings({"homes": "/home/*/.ait42"}, FleetSettings).homes == ["/home/*/.ait42"]
    assert read_settings({"homes": ["/a", "/b"]}, FleetSettings).homes == ["/a", "/b"]
