"""Parameters as papermill, YAML or a person gives them, and what becomes of them."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from ait42nb.errors import SettingsError
from ait42nb.settings import RollbackSettings, Settings, read_settings

PARAMETERS = 'ait42_home: str = "~/.ait42"  # the folder\ndry_run: bool = True  # a look\nstrict: bool = False  # help'
HASH = "0123456789abcdef"


def given(*cells: str, **values: object) -> dict[str, object]:
    """A notebook's `globals()`: its cells as they were run, and the variables that stand."""
    return {"In": ["", PARAMETERS, *cells], "ait42_home": "~/.ait42", "dry_run": True, "strict": False, **values}


@pytest.mark.parametrize("value", ["true", "True", "TRUE", " yes ", "on", "1", "y", "t", True, 1], ids=repr)
def test_true(value: object):
    """Whatever plainly says yes is true, as papermill's text too."""
    assert read_settings({"strict": value}).strict is True


@pytest.mark.parametrize("value", ["false", "False", "FALSE", "no", "off", " 0 ", "n", "f", False, 0], ids=repr)
def test_false(value: object):
    """`-p dry_run false` arrives as a text that Python takes for true; it is false."""
    assert read_settings({"dry_run": value}).dry_run is False


@pytest.mark.parametrize("value", ["", "maybe", "2", 2, 0.5, None, "null", "-", [], {}], ids=repr)
def test_an_unclear_switch_is_refused(value: object):
    """A run that would publish or not by guess does not start."""
    with pytest.raises(SettingsError, match=r"parameter dry_run: .* cannot be understood. Give true or false\."):
        read_settings({"dry_run": value})


@pytest.mark.parametrize(
    ("written", "nearest"), [("dryrun", "dry_run"), ("Strict", "strict"), ("workspace_maping", "workspace_mapping")]
)
def test_a_misspelt_parameter_is_refused(written: str, nearest: str):
    """Papermill only warns of an unknown name and would run with the default (`-p dryrun False`)."""
    with pytest.raises(SettingsError, match=rf"parameter {written}: does not exist. Did you mean {nearest}\?"):
        read_settings(given(f"# Parameters\n{written} = False\n", **{written: False}))


def test_a_misspelt_parameter_in_the_parameters_cell_is_refused():
    """As when a person edits the first cell."""
    cell = PARAMETERS.replace("strict", "stict")
    with pytest.raises(SettingsError, match=r"parameter stict: does not exist\. Did you mean strict\?"):
        read_settings({"In": ["", cell], "ait42_home": "x", "dry_run": True, "stict": True})


@pytest.mark.parametrize(
    "cell",
    [
        "dryrun = True",
        "dry_run = False\nstrict = False\nmy_note = 'for real now'",
        "%matplotlib inline\ndryrun = 1",
        "for dryrun in range(3): pass",
        "import pandas as strct\n!ls",
        "x, y = 1, 2",
        "this is not Python",
    ],
)
def test_a_persons_other_variables_are_nobodys_business(cell: str):
    """Only the parameters cell and papermill's injected one are looked at."""
    assert read_settings(given(cell)) == Settings()


def test_a_mended_parameters_cell_counts_as_it_is_now():
    """A person corrects the name and runs the cell again, in the same kernel."""
    misspelt = PARAMETERS.replace("strict", "stict")
    assert read_settings({"In": ["", misspelt, "read_settings(globals())", PARAMETERS]}) == Settings()


def test_what_was_assigned_last_counts():
    """A person sets dry_run in a cell of their own, after the parameters."""
    assert read_settings(given("dry_run = False", dry_run=False)).dry_run is False


def test_a_hash_of_digits_is_text_again():
    """YAML and papermill take sixteen digits for a number, and drop the zeros that they begin with."""
    settings = read_settings({"accept_hash_mismatch": [1234567890123456, 123456789012345, HASH]})
    assert settings.accept_hash_mismatch == ["1234567890123456", "0123456789012345", HASH]


@pytest.mark.parametrize("value", [HASH, [HASH], (HASH,), f'["{HASH}"]'], ids=repr)
def test_a_list_however_it_is_given(value: object):
    """One hash, a list, or a list that `-p` left as text."""
    assert read_settings({"accept_hash_mismatch": value}).accept_hash_mismatch == [HASH]


def test_one_hash_of_digits_given_by_p():
    assert read_settings({"accept_hash_mismatch": 1234567890123456}).accept_hash_mismatch == ["1234567890123456"]


@pytest.mark.parametrize("value", ["", None, []], ids=repr)
def test_an_empty_list(value: object):
    assert read_settings({"search_roots": value}).search_roots == []


@pytest.mark.parametrize("value", [12345678901234e1, {"a": 1}, [[HASH]], [None], [1.5]], ids=repr)
def test_what_is_no_list_of_text_is_refused(value: object):
    """A hash like 12345678901234e1 that became a fraction cannot be told any more."""
    with pytest.raises(SettingsError, match=r"parameter search_roots: .* cannot be understood. Give a list of text\."):
        read_settings({"search_roots": value})


def test_the_mapping_by_yaml():
    """`-y` gives a mapping whose keys, of digits alone, are numbers; a leading zero is kept in quotes."""
    text = "{workspace_mapping: {1234567890123456: /home/aki/app, 0123456789abcdef: /srv/2, '0000000000000012': /3}}"
    settings = read_settings(yaml.safe_load(text))
    assert settings.workspace_mapping == {
        "1234567890123456": "/home/aki/app",
        HASH: "/srv/2",
        "0000000000000012": "/3",
    }


def test_the_mapping_as_a_file():
    assert read_settings({"workspace_mapping": Path("m.yaml")}).workspace_mapping == "m.yaml"


def test_on_unmapped_is_one_of_two():
    assert read_settings({"on_unmapped": "fail"}).on_unmapped == "fail"
    with pytest.raises(
        SettingsError, match=r"parameter on_unmapped: 'ask' cannot be understood. Give one of 'hold', 'fail'"
    ):
        read_settings({"on_unmapped": "ask"})


def test_text_that_became_a_number_is_text_again():
    """`-p summary_path 7` is the file 7."""
    assert read_settings({"summary_path": 7}).summary_path == "7"


def test_every_notebook_has_its_own_parameters():
    """What one notebook takes, another may not know."""
    assert read_settings({"action": "drill"}, RollbackSettings).action == "drill"
    with pytest.raises(SettingsError, match="parameter action: 'undo' cannot be understood"):
        read_settings({"action": "undo"}, RollbackSettings)
    with pytest.raises(SettingsError, match="parameter reread: does not exist"):
        read_settings({"In": ["", "# Parameters\nreread = True\n"]}, RollbackSettings)


def test_the_home_is_absolute(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """~ is the person's folder, and a relative path starts where the kernel does."""
    monkeypatch.setenv("HOME", "/home/aki")
    monkeypatch.chdir(tmp_path)
    assert Settings().home == Path("/home/aki/.ait42")
    assert read_settings({"ait42_home": "home"}).home == tmp_path / "home"
