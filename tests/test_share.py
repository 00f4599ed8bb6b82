"""A page to pass on: nothing of the machine is in it, nothing runs in it, and the check that says so can fail."""

from __future__ import annotations

import base64
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from hypothesis import given
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from test_display import SHOWN, texts

import ait42nb
from ait42nb.display import Notice, Table
from ait42nb.errors import Ait42Error, SourceError
from ait42nb.pictures import flow_picture
from ait42nb.share import find_in_page, find_in_text, main, share, to_html

TOKEN = "ghp_" + "Ab3" * 12
SUMMARY = {"outcome": "ok", "ait42_home": "[home]", "stats": {"errors": []}}


@pytest.fixture(autouse=True)
def account(tmp_path, monkeypatch):
    """Whoever runs the tests, the account is called akiyama."""
    monkeypatch.setenv("HOME", "/srv/people/akiyama")
    monkeypatch.setenv("LOGNAME", "akiyama")


def shown(data: object, **more: object) -> dict:
    """An output as the kernel stores it."""
    bundle = {"text/html": data} if isinstance(data, str) else getattr(data, "_repr_mimebundle_", lambda: data)()
    return new_output("display_data", data={**bundle, **more})


def cell(*outputs: dict, source: str = "show()", tags: tuple[str, ...] = ()) -> dict:
    return new_code_cell(source, outputs=list(outputs), metadata={"tags": list(tags)} if tags else {})


def picture(svg: str) -> str:
    return f'<img alt="" src="data:image/svg+xml;base64,{base64.b64encode(svg.encode()).decode()}">'


def executed(folder: Path, *cells: dict) -> Path:
    """A notebook as papermill leaves it, with a secret in each place where papermill and Jupyter put some."""
    notebook = new_notebook(
        metadata={
            "kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"},
            "papermill": {"input_path": "/home/secret/in.ipynb", "parameters": {"ait42_home": "/home/secret"}},
            "widgets": {"application/vnd.jupyter.widget-state+json": {"state": {"1": {"value": "secret"}}}},
            "author": "secret",
        }
    )
    notebook.cells = [
        new_markdown_cell("secret banner", metadata={"tags": ["papermill-error-cell-tag"]}),
        new_markdown_cell("# Move the *history*\n\nShown beforehand."),
        cell(source='dry_run: bool = True\nsearch_roots: list = ["/home/secret/src"]', tags=("parameters",)),
        cell(source='ait42_home = "/home/secret/.ait42"', tags=("injected-parameters",)),
        new_markdown_cell("## What was found"),
        cell(shown(Notice("good", "All is well")), shown(flow_picture({"sessions": {"source": 1, "inserted": 1}}))),
        cell(shown({"application/vnd.jupyter.widget-view+json": {}, "text/plain": "Text(value='secret')"})),
        cell(new_output("stream", name="stderr", text="/home/secret/x y.py:1: UserWarning: look\n")),
        cell(shown({"text/plain": "{...}", "application/json": SUMMARY, "text/latex": "secret"}), tags=("summary",)),
        new_markdown_cell("### In detail"),
        *cells,
    ]
    notebook.cells[5].outputs[0].metadata = {"text/html": {"isolated": True, "note": "secret"}}
    for one in notebook.cells:
        one["metadata"] |= {"papermill": {"status": "secret"}, "execution": {"started": "secret"}}
    path = folder / "out.ipynb"
    path.write_text(json.dumps(notebook))
    return path


# What is passed on


def test_a_page_and_a_notebook_without_what_was_added(tmp_path):
    """Parameters, paths, times, widgets and banners are in neither; the report and its JSON summary are."""
    source = executed(tmp_path)
    before = source.read_bytes()

    page = share(source)

    cleaned = tmp_path / "out.shared.ipynb"
    assert page == tmp_path / "out.html"
    assert {*tmp_path.iterdir()} == {source, page, cleaned}
    assert source.read_bytes() == before
    for text in (page.read_text(), cleaned.read_text()):
        assert "secret" not in text
        assert "All is well" in text
    notebook = nbformat.read(cleaned, as_version=4)
    nbformat.validate(notebook)
    summary = next(one for one in notebook.cells if one["metadata"].get("tags") == ["summary"])
    assert summary.outputs[0].data == {"text/plain": "{...}", "application/json": SUMMARY}
    assert set(notebook.metadata) == {"kernelspec"}
    assert 'search_roots: list = ["~/src"]' in cleaned.read_text().replace("\\", "")


def test_the_page_stands_alone(tmp_path):
    """No code, no script, no address; a policy that allows none, a title and a list of contents."""
    page = share(executed(tmp_path)).read_text()

    assert not re.search(r"https?:|<script|<link|<iframe|\son\w+=|dry_run: bool|show\(\)", page)
    policy = re.search(r'content="([^"]*)" http-equiv="Content-Security-Policy"', page)[1]
    assert policy.startswith("default-src 'none'; style-src 'unsafe-inline'; img-src data:")
    assert "<title>Move the history</title>" in page
    links = re.findall(r'<li(?: class="inner")?><a href="#([^"]+)">([^<]+)</a>', page)
    assert [words for _, words in links] == ["What was found", "In detail"]
    assert all(f'id="{anchor}"' in page for anchor, _ in links)


def test_tracebacks_lose_their_folders(tmp_path):
    """An error shows what happened and in which file, not where on the machine the file lies."""
    error = new_output(
        "error",
        ename="OSError",
        evalue="/srv/people/akiyama/.ait42: full",
        traceback=["\x1b[31mFile /usr/lib/python3.11/json/decoder.py:3\x1b[0m", 'File "C:\\Users\\aki\\a\\b.py", 1'],
    )
    page = share(executed(tmp_path, cell(error)))

    assert "File …/decoder.py:3\nFile " in page.read_text()
    assert "…/b.py" in page.read_text() or "~\\a\\b.py" in page.read_text()
    assert "~/.ait42: full" in page.with_suffix(".shared.ipynb").read_text()


def test_another_name_for_the_page(tmp_path):
    """The page may go elsewhere; the notebook lies beside it."""
    (tmp_path / "to send").mkdir()

    share(executed(tmp_path), tmp_path / "to send/report.html")

    assert sorted(path.name for path in (tmp_path / "to send").iterdir()) == ["report.html", "report.shared.ipynb"]


def test_what_papermill_really_adds_goes(tmp_path):
    """The values given to a real run are in neither result."""
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    notebook = new_notebook(metadata={"kernelspec": kernel})
    notebook.cells = [
        cell(source='ait42_home: str = ""', tags=("parameters",)),
        cell(source="from ait42nb.display import Notice\nNotice('good', 'Done')"),
        cell(source="raise SystemExit(1)"),
    ]
    nbformat.write(notebook, tmp_path / "in.ipynb")
    run = [sys.executable, "-m", "papermill", "in.ipynb", "out.ipynb", "-p", "ait42_home", "/home/secret/.ait42"]
    environment = {**os.environ, "HOME": str(tmp_path), "PYTHONPATH": str(Path(ait42nb.__file__).parents[1])}

    assert "SystemExit" in subprocess.run(run, cwd=tmp_path, env=environment, capture_output=True, text=True).stderr

    page = share(tmp_path / "out.ipynb").read_text()
    assert "Done" in page
    assert "Stopped" in page
    assert "secret" not in page + (tmp_path / "out.shared.ipynb").read_text()


def test_the_plain_page_is_for_ones_own_eyes(tmp_path):
    """`to_html` makes the same page without the check, and no second notebook."""
    source = executed(tmp_path, new_markdown_cell("In /home/aki/app"))

    to_html(source, tmp_path / "demo.html")

    assert "In /home/aki/app" in (tmp_path / "demo.html").read_text()
    assert {path.name for path in tmp_path.iterdir()} == {"out.ipynb", "demo.html"}


def test_text_of_outputs_stays_text(tmp_path):
    """Session text in tables, streams and plain outputs is never markup in the page."""
    hostile = "<script>alert(1)</script><img src=x onerror=alert(1)>"
    stream = new_output("stream", name="stdout", text=hostile)
    plain = shown({"text/plain": hostile})

    page = share(executed(tmp_path, cell(stream, plain, shown(Table([(hostile,)], [hostile])))))

    assert page.read_text().count("&lt;script&gt;alert(1)&lt;/script&gt;&lt;img src=x onerror=alert(1)&gt;") == 4


def test_half_a_surrogate_pair_does_no_harm(tmp_path):
    """A text that UTF-8 cannot hold comes out as JSON writes it."""
    page = share(executed(tmp_path, cell(new_output("stream", name="stdout", text="a\ud800b"))))

    assert "a\\ud800b" in page.read_text()
    assert nbformat.read(tmp_path / "out.shared.ipynb", as_version=4).cells[-1].outputs[0].text == "a\ud800b"


# What is refused

UNSAFE = {
    "home folder in words": (new_markdown_cell("See /home/aki/app"), "a home folder (/home/aki)"),
    "home folder in code": (cell(source="open('/Users/aki/x')"), "a home folder (/Users/aki)"),
    "home folder in a stream": (
        cell(new_output("stream", name="stdout", text="/root/.ait42")),
        "a home folder (/root)",
    ),
    "home folder on Windows": (cell(shown({"text/plain": r"C:\Users\aki\x"})), r"a home folder (C:\Users\aki)"),
    "own home folder": (cell(shown("<p>/srv/people/akiyama/x</p>")), "a home folder (/srv/people/akiyama)"),
    "home folder in JSON": (
        cell(shown({"text/plain": "", "application/json": {"a": ["/home/aki"]}})),
        "a home folder (/home/aki)",
    ),
    "home folder in a picture": (
        cell(shown(picture("<svg><text>&#47;home/aki</text></svg>"))),
        "a home folder (/home/aki)",
    ),
    "home folder in entities": (cell(shown("<p>&#x2f;home&#47;aki</p>")), "a home folder (/home/aki)"),
    "account": (new_markdown_cell("by akiyama"), "the name of your account"),
    "credential": (cell(shown({"text/plain": TOKEN})), "a credential (github_token)"),
    "credential in pieces": (cell(shown(f"<b>{TOKEN[:9]}</b>{TOKEN[9:]}")), "a credential (github_token)"),
    "script": (cell(shown("<script>1</script>")), "a script"),
    "script in words": (new_markdown_cell("<SCRIPT src=x>"), "a script"),
    "script in a comment": (cell(shown("<!-- > <script>1</script> -->")), "a script"),
    "handler": (cell(shown("<p onclick='x()'>")), "a handler onclick"),
    "handler in words": (new_markdown_cell("<img src=x onerror=x()>"), "a handler onerror"),
    "frame": (cell(shown("<iframe srcdoc='x'>")), "an element <iframe>"),
    "inline drawing": (cell(shown("<svg onload='x'>")), "an element <svg>"),
    "form": (cell(shown("<form action='x'>")), "an element <form>"),
    "link": (new_markdown_cell("[docs](https://example.org/x)"), "an address (https://example.org/x)"),
    "link without a scheme": (cell(shown("<a href='//example.org'>x</a>")), "a link to elsewhere (//example.org)"),
    "link that runs": (cell(shown("<a href='javascript:x()'>x</a>")), "a link to elsewhere (javascript:x())"),
    "picture from elsewhere": (cell(shown("<img src='x.png'>")), "a picture from elsewhere (x.png)"),
    "picture with a script": (cell(shown(picture("<svg onload='x()'/>"))), "a picture with a handler onload"),
    "picture in SVG": (cell(shown({"image/svg+xml": "<svg><script/></svg>"})), "a picture with <script>"),
    "style that loads": (cell(shown("<style>@import 'x'</style>")), "a style that loads something"),
    "style attribute": (cell(shown("<p style='background:url(x)'>")), "a style that loads something"),
    "redirection": (cell(shown("<meta http-equiv='refresh' content='0'>")), "a redirection"),
    "output as Markdown": (cell(shown({"text/markdown": "<script>1</script>"})), "a script"),
}


@pytest.mark.parametrize("name", UNSAFE)
def test_what_is_not_safe_is_refused(tmp_path, name):
    """What would give something away or run is found, named with its cell, and nothing is written."""
    planted, expected = UNSAFE[name]
    source = executed(tmp_path, planted)

    with pytest.raises(Ait42Error) as refused:
        share(source)

    assert f"cell 9: {expected}" in str(refused.value)
    assert TOKEN[4:] not in str(refused.value)
    assert [*tmp_path.iterdir()] == [source]


def test_the_page_is_checked_by_itself(tmp_path):
    """What only the conversion brings to light is found too."""
    source = executed(tmp_path, new_markdown_cell("![x](x.png)"))

    with pytest.raises(Ait42Error, match=r"the page: a picture from elsewhere \(x.png\)"):
        share(source)
    assert [*tmp_path.iterdir()] == [source]


def test_links_to_other_files_are_words_in_the_page(tmp_path):
    """A link to a neighbouring notebook leads nowhere for a reader who has the page alone."""
    page = share(executed(tmp_path, new_markdown_cell("Then run [validate **now**](validate.ipynb).")))

    assert "Then run validate <strong>now</strong>." in page.read_text()


def test_what_stood_there_before_stays_when_refused(tmp_path):
    """An older page is not replaced by nothing."""
    source = executed(tmp_path, new_markdown_cell("/home/aki"))
    (tmp_path / "out.html").write_text("older")

    with pytest.raises(Ait42Error):
        share(source)
    assert (tmp_path / "out.html").read_text() == "older"


@pytest.mark.parametrize("name", SHOWN)
@given(text=texts)
def test_no_primitive_needs_the_check(name, text):
    """Whatever text it is given, what we draw holds no element, attribute or style that the check would refuse."""
    found = find_in_page(SHOWN[name](text).html())

    assert [what for what in found if not re.match(r"a (?:credential|home folder)|an address", what)] == []


@pytest.mark.parametrize("text", ["sessions/0123456789abcdef.json", "~/.ait42", "root", "/tmp", "akiyamas", "a/root/b"])
def test_ordinary_text_passes(text):
    """What names nobody and no place of the machine is no reason to refuse."""
    assert find_in_text(text) == set()


@pytest.mark.parametrize("content", [None, "", "[]", "{}", '{"cells": [1]}', '{"nbformat": 4, "cells": "x"}', "\x00"])
def test_what_is_no_notebook_is_refused(tmp_path, content):
    """A file that is missing or something else is one error, not a traceback."""
    if content is not None:
        (tmp_path / "out.ipynb").write_text(content)

    with pytest.raises(SourceError, match="Name an executed notebook"):
        share(tmp_path / "out.ipynb")


def test_the_page_needs_its_ending(tmp_path):
    """The notebook is not overwritten by its page."""
    source = executed(tmp_path)

    with pytest.raises(Ait42Error, match=r"must end in \.html"):
        share(source, source)


def test_a_folder_that_does_not_exist(tmp_path):
    """What cannot be written is one error."""
    with pytest.raises(Ait42Error, match="Name another folder"):
        share(executed(tmp_path), tmp_path / "nowhere/out.html")


def test_a_folder_where_the_page_should_be(tmp_path):
    """What was written aside does not stay there."""
    source = executed(tmp_path)
    (tmp_path / "out.html").mkdir()

    with pytest.raises(Ait42Error, match=r"out\.html"):
        to_html(source, tmp_path / "out.html")
    assert {path.name for path in tmp_path.iterdir()} == {"out.ipynb", "out.html"}


def test_the_command(tmp_path, capsys):
    """It names what is safe to pass on, and fails in one line."""
    assert main([str(executed(tmp_path))]) == 0
    assert re.findall(r"(\S+): checked", capsys.readouterr().out) == [
        str(tmp_path / name) for name in ("out.html", "out.shared.ipynb")
    ]
    assert json.loads((tmp_path / "out.shared.ipynb").read_text())["nbformat"] == 4

    assert main([str(executed(tmp_path, new_markdown_cell("/home/aki")))]) == 1
    assert capsys.readouterr().err.startswith(
        f"{tmp_path}/out.ipynb: not safe to pass on, and nothing was written: cell"
    )
