"""A page to pass on, made from an executed notebook: `python -m ait42nb.share out.ipynb`.

Beside the page lies the same notebook without what papermill and Jupyter add to it. Both are looked through for what
may not leave the machine before either is there.
"""

from __future__ import annotations

import argparse
import base64
import contextlib
import getpass
import html
import json
import logging
import re
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

from ait42nb.credentials import count_credentials
from ait42nb.display import shorten, size, tag
from ait42nb.errors import Ait42Error, SourceError

# The richest first. What is not here, such as widgets and JavaScript, is dead or dangerous without a kernel.
_SHOWN = ("text/html", "image/svg+xml", "image/png", "image/jpeg", "text/markdown", "text/plain")
_KEPT = {*_SHOWN, "application/json"}  # the summary cell's JSON


def share(notebook: Path, output: Path | None = None) -> Path:
    """Write the page (`out.html`) and the cleaned notebook (`out.shared.ipynb`) beside it.

    Returns: the page's path
    Raises:  Ait42Error, when one of them would give away a home folder, an account's name, a credential or an address,
             or would run or load anything; then neither is written
    """
    notebook = Path(notebook)
    page = Path(output) if output else notebook.with_suffix(".html")
    if page.suffix.lower() not in (".html", ".htm"):
        raise Ait42Error(page, "the page's name must end in .html", "Give another name")
    cleaned = _clean(_read(notebook))
    written = {page.with_suffix(".shared.ipynb"): _json(cleaned), page: _page(cleaned)}
    found = find_in_notebook(cleaned) or [f"the page: {what}" for what in sorted(find_in_page(written[page]))]
    if found:
        more = f"; … and {len(found) - 5} more" if len(found) > 5 else ""
        raise Ait42Error(
            notebook,
            f"not safe to pass on, and nothing was written: {'; '.join(found[:5])}{more}",
            "Run the notebook again with redact = True, or take this out of it; then make the report again",
        )
    _write(written)
    return page


def to_html(notebook: Path, html: Path) -> None:
    """Write the page alone, unchecked: for one's own eyes."""
    _write({Path(html): _page(_clean(_read(Path(notebook))))})


def _read(notebook: Path) -> dict:
    import nbformat

    try:
        read = nbformat.reads(notebook.read_text(encoding="utf-8"), as_version=4)
        nbformat.validate(read)
        return read
    except (OSError, ValueError, AttributeError, KeyError, TypeError, nbformat.ValidationError) as error:
        problem = "no such file" if isinstance(error, FileNotFoundError) else "cannot be read as a notebook"
        raise SourceError(notebook, problem, "Name an executed notebook, such as out.ipynb") from error


def _json(notebook: dict) -> str:
    return json.dumps(notebook, ensure_ascii=False, indent=1) + "\n"


def _write(files: dict[Path, str]) -> None:
    """Written aside first, so that nothing half written is ever seen."""
    parts = {path: path.with_name(f".{path.name}.part") for path in files}
    try:
        for path, text in files.items():
            # Half a surrogate pair becomes what JSON writes for it.
            parts[path].write_text(text, encoding="utf-8", errors="backslashreplace")
        for path, part in parts.items():
            part.replace(path)
    except OSError as error:
        problem = error.strerror or "cannot be written"
        raise Ait42Error(error.filename or "the page", problem, "Name another folder") from error
    finally:
        for part in parts.values():
            part.unlink(missing_ok=True)


# Cleaning: only what is named here stays ------------------------------------------------------------------------------


def _clean(notebook: dict) -> dict:
    import nbformat

    clean = nbformat.from_dict({"metadata": {}, "nbformat": 4, "nbformat_minor": notebook["nbformat_minor"]})
    for key in ("kernelspec", "language_info"):
        if key in notebook["metadata"]:
            clean["metadata"][key] = notebook["metadata"][key]
    clean["cells"] = []
    for cell in notebook["cells"]:
        tags = cell["metadata"].get("tags", [])
        # The values that a person passed, and papermill's banners.
        if "injected-parameters" in tags or "papermill-error-cell-tag" in tags:
            continue
        if "parameters" in tags:  # somebody may have typed a path there
            cell["source"] = _home_folder().sub("~", cell["source"])
        cell["metadata"] = nbformat.from_dict({"tags": tags} if tags else {})
        if cell["cell_type"] == "code":
            cell["outputs"] = [output for output in map(_clean_output, cell["outputs"]) if output]
        clean["cells"].append(cell)
    return clean


def _clean_output(output: dict) -> dict | None:
    kind = output["output_type"]
    if kind == "error":
        output["evalue"] = _without_paths(output["evalue"])
        output["traceback"] = [_without_paths(line) for line in output["traceback"]]
    elif kind == "stream":
        if output["name"] == "stderr":
            output["text"] = _without_paths(output["text"])
    else:
        if any(mime.startswith("application/vnd.jupyter.widget") for mime in output["data"]):
            return None  # its plain text is `Text(value='…')`
        output["metadata"] = {}
        for mime in [mime for mime in output["data"] if mime not in _KEPT]:
            del output["data"][mime]
        if not output["data"]:
            return None
    return output


_ANSI = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]")
_FOLDERS = re.compile(r"(?<![\w.~:/\\])(?:[A-Za-z]:\\|/)(?:[^\s/\\'\"<>:;,()\[\]]+[/\\])+(?=[^\s/\\])")
_HOME = r"(?<![\w.])(?:/(?:home|Users)/[^\s/\"'<>…]+|/root(?![\w-])|[A-Za-z]:\\+Users\\+[^\s\\\"'<>…]+)"


def _home() -> str:
    try:
        return str(Path.home())
    except RuntimeError:  # an account without one
        return "/"


def _home_folder() -> re.Pattern[str]:
    """Anybody's home folder where they usually are, and this account's wherever it is."""
    mine = _home()
    return re.compile(rf"{re.escape(mine)}(?![\w-])|{_HOME}" if len(mine) > 1 else _HOME)


def _without_paths(text: str) -> str:
    """Tracebacks and warnings name files of the machine: the file stays, its folders go."""
    return _FOLDERS.sub("…/", _home_folder().sub("~", _ANSI.sub("", text)))


# The page -------------------------------------------------------------------------------------------------------------

_HEADING = re.compile(r"<h([1-6])>(.*?)</h\1>", re.DOTALL)
_LINK = re.compile(r'<a href="(?!#)[^"]*">(.*?)</a>', re.DOTALL)  # what it leads to stays behind


def _page(notebook: dict) -> str:
    from nbconvert import HTMLExporter

    exporter = HTMLExporter(
        template_name="ait42",
        extra_template_basedirs=[str(Path(__file__).parent / "templates")],
        exclude_input=True,
        exclude_anchor_links=True,
        log=logging.getLogger("ait42nb.share"),
    )
    exporter.display_data_priority = [*_SHOWN]
    exporter.register_filter("without_links", lambda markup: _LINK.sub(r"\1", markup))
    exporter.register_filter("with_contents", _with_contents)
    return exporter.from_notebook_node(notebook)[0] + "\n"


def _with_contents(body: str) -> dict[str, str]:
    """The page's body with an anchor at each heading, a list of links to them, and the first of them as its title."""
    title, entries = "", []

    def anchor(found: re.Match[str]) -> str:
        nonlocal title
        name = f"section-{len(entries) + 1}"
        words = html.unescape(re.sub(r"<[^>]*>", "", found[2]))
        title = title or words
        link = tag("a", words, href=f"#{name}")
        entries.append(tag("li", link, class_=None if found[1] == "2" else "inner") if found[1] != "1" else "")
        return f'<h{found[1]} id="{name}">{found[2]}</h{found[1]}>'

    body = _HEADING.sub(anchor, body)
    return {"body": body, "title": title or "Report", "contents": tag("ol", entries) if any(entries) else ""}


# Checking -------------------------------------------------------------------------------------------------------------

_TAGS = frozenset(
    "a abbr b blockquote body br caption code col colgroup dd del details div"  # noqa: SIM905 - words, to be read
    " dl dt em figcaption figure h1 h2 h3 h4 h5 h6 head hr html i img ins kbd li main mark meta meter nav ol p pre"
    " progress q s samp section small span strong style sub summary sup table tbody td tfoot th thead title tr u ul var"
    " wbr".split()
)
_ATTRIBUTES = frozenset(
    "align alt aria-label border charset class colspan content dir height href"  # noqa: SIM905 - words, to be read
    " http-equiv id lang max min name open rowspan scope src start style title type value valign width".split()
)
_PICTURE = re.compile(r"data:image/(?:png|jpeg|gif|svg\+xml);base64,[A-Za-z0-9+/=]*")
_EMBEDDED_SVG = re.compile(r"data:image/svg\+xml;base64,([A-Za-z0-9+/=]*)")
_LOADS = re.compile(r"(?i)@import|expression\s*\(|url\s*\(|image-set|\\")
_ADDRESS = re.compile(r"(?i)(?<![a-z0-9])(?:https?|wss?|ftp|file)://[^\s\"'<>]*")
_NAMESPACE = re.compile(r"http://www\.w3\.org/[\w/]+")
# Accounts that are no person's name, and words of our own.
_NOBODY = {"root", "user", "home", "admin", "ubuntu", "debian", "runner", "jovyan", "jupyter", "ait42", "app"}


def _accounts() -> set[str]:
    names = {Path(_home()).name}
    with contextlib.suppress(OSError, KeyError):  # an account without a name
        names.add(getpass.getuser())
    return {name for name in names if len(name) > 2} - _NOBODY


def find_in_text(text: str) -> set[str]:
    """What in a text may not leave the machine, in words that may."""
    text = _PICTURE.sub("", text)
    found = {f"a credential ({kind})" for kind in count_credentials(text)}
    if home := _home_folder().search(text):
        found.add(f"a home folder ({shorten(home[0], 60)})")
    if address := _ADDRESS.search(text):
        found.add(f"an address ({shorten(address[0], 60)})")
    if any(re.search(rf"(?<![\w-]){re.escape(name)}(?![\w-])", text) for name in _accounts()):
        found.add("the name of your account")
    return found


class _Markup(HTMLParser):
    """What in markup could run, load or lead elsewhere, and the text in it. Only what is known as harmless passes."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.found: set[str] = set()
        self.texts: list[str] = []
        self.styling = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.styling = tag == "style"
        if tag == "script":
            self.found.add("a script")
        elif tag not in _TAGS:
            self.found.add(f"an element <{shorten(tag, 30)}>")
        for name, value in attrs:
            value = value or ""
            if name.startswith("on"):
                self.found.add(f"a handler {shorten(name, 30)}")
            elif name not in _ATTRIBUTES:
                self.found.add(f"an attribute {shorten(name, 30)}")
            elif name == "href" and not value.startswith("#"):
                self.found.add(f"a link to elsewhere ({shorten(value, 60)})")
            elif name == "src" and not _PICTURE.fullmatch(value):
                self.found.add(f"a picture from elsewhere ({shorten(value, 60)})")
            elif name == "http-equiv" and value != "Content-Security-Policy":
                self.found.add("a redirection")
            elif name == "style" and _LOADS.search(value):
                self.found.add("a style that loads something")
            self.texts.append(value)

    def handle_endtag(self, tag: str) -> None:
        self.styling = False

    def handle_data(self, data: str) -> None:
        if self.styling and _LOADS.search(data):
            self.found.add("a style that loads something")
        self.texts.append(data)

    def handle_comment(self, data: str) -> None:
        self.found.add("a comment")  # browsers and parsers disagree about where one ends

    def handle_decl(self, decl: str) -> None:
        if decl.lower() != "doctype html":
            self.found.add("a declaration")

    def unknown_decl(self, data: str) -> None:
        self.found.add("a declaration")

    def handle_pi(self, data: str) -> None:
        self.found.add("a declaration")


def _find_in(markup: _Markup, text: str) -> set[str]:
    markup.feed(text)
    markup.close()
    found = markup.found | {"a script" for _ in re.finditer(r"(?i)<\s*/?\s*script", text)}
    # In pieces and as a whole: markup may go through the middle of a key.
    return found | find_in_text("\n".join(markup.texts)) | find_in_text("".join(markup.texts))


def find_in_page(text: str) -> set[str]:
    """What in markup may not leave the machine, or could run or load anything."""
    found = _find_in(_Markup(), text)
    for body in _EMBEDDED_SVG.findall(text):
        try:
            found |= _find_in_svg(base64.b64decode(body).decode())
        except ValueError:
            found.add("a picture that cannot be read")
    return found


class _Drawing(_Markup):
    """The same for SVG, whose elements are many and do nothing."""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag.rpartition(":")[2] in ("script", "foreignobject", "iframe", "image", "handler"):
            self.found.add(f"a picture with <{tag}>")
        for name, value in attrs:
            value = value or ""
            if name.startswith("on"):
                self.found.add(f"a picture with a handler {shorten(name, 30)}")
            elif name.endswith("href") and not value.startswith("#"):
                self.found.add(f"a picture with a link ({shorten(value, 60)})")
            elif not (name.startswith("xmlns") and _NAMESPACE.fullmatch(value)):
                self.texts.append(value)


def _find_in_svg(svg: str) -> set[str]:
    return _find_in(_Drawing(), svg)


def find_in_notebook(notebook: dict) -> list[str]:
    """What in a notebook may not leave the machine, or could run or load anything, and the cell that holds it."""
    found = [f"the metadata: {what}" for text in _texts(notebook["metadata"]) for what in sorted(find_in_text(text))]
    for number, cell in enumerate(notebook["cells"], 1):
        held: set[str] = set()
        texts = [cell["source"], cell["metadata"], list(cell.get("attachments", {}))]
        if cell["cell_type"] == "markdown":
            held |= find_in_page(cell["source"])
        for output in cell.get("outputs", []):
            for mime, data in output.get("data", {}).items():
                if mime in ("text/html", "text/markdown"):
                    held |= find_in_page(data)
                elif mime == "image/svg+xml":
                    held |= _find_in_svg(data)
                elif not mime.startswith("image/"):
                    texts.append(data)
            texts += [output.get(key, "") for key in ("text", "ename", "evalue", "traceback")]
        held |= {what for text in _texts(texts) for what in find_in_text(text)}
        found += [f"cell {number}: {what}" for what in sorted(held)]
    return found


def _texts(value: object) -> Iterator[str]:
    """Every text in a JSON value, the keys too."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield key
            yield from _texts(inner)
    elif isinstance(value, (list, tuple)):
        for inner in value:
            yield from _texts(inner)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m ait42nb.share", description="A page to pass on, made from an executed notebook."
    )
    parser.add_argument("notebook", type=Path, help="the executed notebook")
    parser.add_argument("output", type=Path, nargs="?", help="the page (default: beside the notebook)")
    given = parser.parse_args(arguments)
    try:
        page = share(given.notebook, given.output)
    except Ait42Error as error:
        print(error, file=sys.stderr)
        return 1
    for path in (page, page.with_suffix(".shared.ipynb")):
        print(f"{path}: checked, safe to pass on ({size(path.stat().st_size)})")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
