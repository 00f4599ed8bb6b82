"""What a person types in the notebook. Asks and shows, and decides nothing.

JupyterLab takes a key that is pressed outside of a text field for a command to the cell: `d` `d` on a button or a
checkbox deletes it. So everything here can be done in text fields; buttons are for the mouse, and give the focus back.
"""

from __future__ import annotations

import os
import time
import unicodedata
from collections.abc import Iterable, Mapping
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from ait42nb import mapping
from ait42nb.display import Badge, Code, Details, Html, Notice, Shown, Table, counted, has_front_end, shorten, tag
from ait42nb.errors import Ait42Error
from ait42nb.inventory import Inventory
from ait42nb.mapping import Glimpse, Mapped, Workspace
from ait42nb.redact import error_words, file_hash
from ait42nb.report import KNOWN, TYPES, skipped

if TYPE_CHECKING:
    from ait42nb.pipeline import Run

MOST_ASKED = 40  # rows at once; a browser bears no more
MOST_FOLDERS = 200  # that complete what is typed
ACCEPT = "accept"
SESSION_STATUSES = ("running", "completed", "failed", "paused")
# A front end holds a field's last letters back while the kernel still works on those before, but not the Enter key.
LATE = 2.0

# What a typed path is: the colour and the word of its badge, and more words.
_VERDICTS = {
    "empty": ("info", "Not said", "Its sessions are held back."),
    "relative": ("info", "Not said", "Give the whole path, from / on."),
    "matches": ("good", "Matches", ""),
    "parent_matches": ("warning", "Too deep", "A folder above it matches: {path}"),
    "other_matches": ("warning", "Another file", "This is the folder of {other}."),
    "mismatch": ("warning", "Does not match", ""),
}
_ACCEPTABLE = ("parent_matches", "other_matches", "mismatch")


# The workspaces that nobody knows ------------------------------------------------------------------------------------


def ask_for_workspaces(run: Run) -> None:
    """Show what is left to say about workspaces, and where somebody can type, ask for it.

    Rule: never waits; the same facts stand in a plain table, for whoever reads the notebook later
    """
    from IPython.display import display

    mapped = run.results.get(Mapped)
    if mapped is None:
        display(skipped(run))
    elif not mapped.unmapped:
        display(Notice("good", "Every workspace was found: there is nothing to type"))
    else:
        glimpses = {w: _glimpse(run, w) for w in mapped.unmapped}
        asked = {w: seen for w, seen in glimpses.items() if seen.sessions}
        if asked and has_front_end() and not run.settings.workspace_mapping:
            show(
                WorkspaceForm(run, asked).widget, "A form to type in stands here while the notebook runs in JupyterLab."
            )
            display(Details("The same as a table", unknown(run, glimpses)))
        else:
            display(unknown(run, glimpses))


def show(widget: object, words: str) -> None:
    """Display a widget; what is kept in the notebook of it is these words alone, and nothing that was typed."""
    from IPython.display import display

    view = {mime: data for mime, data in widget._repr_mimebundle_().items() if mime.startswith("application/")}
    display(view | {"text/plain": words}, raw=True)


def _glimpse(run: Run, workspace: Workspace) -> Glimpse:
    files = run.get(Inventory).readable
    return mapping.glimpse(next(file for file in files if file.workspace_hash == workspace.workspace_hash))


def unknown(run: Run, glimpses: Mapping[Workspace, Glimpse]) -> Shown:
    """The workspaces that are not known, and what helps to recognise them."""
    redact = run.settings.redact
    rows = [
        {
            "file": Code(file_hash(workspace.workspace_hash, redact)),
            "sessions": seen.sessions,
            "first": seen.first,
            "last": seen.last,
            "branches": shorten(", ".join(seen.branches), 40),
            "first task": shorten(seen.task, 80),
            "worked in": seen.worktree,
            "was given": workspace.workspace_path or "",
            "state": KNOWN[workspace.state],
        }
        for workspace, seen in glimpses.items()
    ]
    private = ("branches", "first task", "worked in", "was given") if redact else ()
    columns = [name for name in rows[0] if name not in private and any(row[name] != "" for row in rows)]
    return Table(rows, columns, caption="Workspaces that are not known", limit=200)


class WorkspaceForm:
    """A row for each workspace that is left, and what saves them."""

    def __init__(self, run: Run, glimpses: Mapping[Workspace, Glimpse]) -> None:
        import ipywidgets

        self.run = run
        hashes = {workspace.workspace_hash for workspace in glimpses}
        self.rows = [
            WorkspaceRow(self, workspace, seen, hashes - {workspace.workspace_hash})
            for workspace, seen in islice(glimpses.items(), MOST_ASKED)
        ]
        self.button = ipywidgets.Button(
            description="Save", tooltip="Save what matches and what is accepted", button_style="primary", tabbable=False
        )
        self.button.on_click(lambda _: self.save(clicked=True))
        self.told = ipywidgets.HTML()
        more = len(glimpses) - len(self.rows)
        self.widget = ipywidgets.VBox(
            [
                ipywidgets.HTML(self._opening(more)),
                *(row.widget for row in self.rows),
                ipywidgets.HBox([self.button, self.told], layout={"align_items": "center", "flex_flow": "row wrap"}),
            ],
            layout={"max_width": "960px"},
        )

    def _opening(self, more: int) -> Html:
        return tag(
            "div",
            tag("strong", "Which folder does each of these files belong to?"),
            " Type its path. Enter completes a folder's name and saves what matches; Tab goes to the next file."
            " A file that you leave empty is held back, and nothing of it is lost.",
            f" {more} more are asked for when these are saved." if more else None,
            style="font-size:14px;line-height:1.5",
        )

    def save(self, *, clicked: bool = False) -> None:
        """Write what matches or was accepted to the home's mapping file."""
        ready = [row for row in self.rows if row.ready]
        if clicked:  # or the next key goes to the button, and from there to the cell
            self.rows[0].path.focus()
        if not ready:
            saved = any(row.saved for row in self.rows)
            self._tell("info", "Nothing to save", "All that matches is saved." if saved else "No path matches yet.")
            return
        try:
            mapping.save_answers(
                self.run.home,
                {row.hash: row.answer.path for row in ready},
                [row.hash for row in ready if row.answer.state != "matches"],
            )
        except Ait42Error as error:
            where, problem, remedy = error_words(error, self.run.settings.redact, self.run.home.path)
            self._tell("failed", "Not saved", f"{where}: {problem}. {remedy}.")
            return
        except OSError as error:
            words = (error.strerror or "cannot be written").lower()
            self._tell("failed", "Not saved", f"workspace_mapping.json in the home: {words}.")
            return
        for row in ready:
            row.keep()
        left = sum(not row.saved for row in self.rows)
        going = self.run.work is not None and self.run.work.is_dir()
        what_next = "Run the next cell to go on." if going else "Run the notebook again from the top: it counts then."
        words = f"{len(ready)} in workspace_mapping.json in the home{f', {left} left' if left else ''}. {what_next}"
        self._tell("good", "Saved", words)

    def _tell(self, kind: str, word: str, words: str) -> None:
        self.told.value = _line(kind, word, words)


class WorkspaceRow:
    """One workspace: what is known of it, a field for its path, what that path is, and a field to accept it."""

    def __init__(self, form: WorkspaceForm, workspace: Workspace, glimpse: Glimpse, others: Iterable[str]) -> None:
        import ipywidgets

        self.form, self.hash, self.others = form, workspace.workspace_hash, others
        self.redact = form.run.settings.redact
        self.saved: mapping.Answer | None = None
        self._entered_at = -LATE
        wide = {"width": "auto"}
        label = file_hash(self.hash, self.redact)
        self.path = ipywidgets.Combobox(
            description=f"Folder of {label}",
            placeholder="/path/of/the/workspace",
            continuous_update=True,
            layout=wide,
            style={"description_width": "initial"},
        )
        self.verdict = ipywidgets.HTML(layout=wide)
        self.accept = ipywidgets.Text(
            description=f"To take it all the same, type {ACCEPT}:",
            continuous_update=True,
            layout={"width": "420px", "display": "none"},
            style={"description_width": "initial"},
        )
        self.path.observe(self._typed, "value")
        self.accept.observe(self._changed, "value")
        for field in (self.path, self.accept):
            field.on_msg(self._entered)
        self.widget = ipywidgets.VBox(
            [ipywidgets.HTML(self._facts(label, glimpse)), self.path, self.verdict, self.accept],
            layout={"margin": "10px 0 6px 0"},
        )
        if workspace.workspace_path and not self.redact:
            self.path.value = workspace.workspace_path
        self._typed()

    def _facts(self, label: str, glimpse: Glimpse) -> Html:
        days = glimpse.first if glimpse.first == glimpse.last else f"{glimpse.first} to {glimpse.last}"
        facts = [counted(glimpse.sessions, "session"), days]
        more = []
        if not self.redact:
            if glimpse.task:
                more.append(("First task: ", shorten(glimpse.task, 150)))
            if glimpse.branches:
                more.append(("Branches: ", shorten(", ".join(glimpse.branches), 90)))
            if glimpse.worktree:
                more.append(("Worked in: ", shorten(glimpse.worktree, 300)))
        return tag(
            "div",
            tag("div", Code(label), "\u2002", ", ".join(filter(None, facts))),
            (tag("div", tag("span", name, style="opacity:0.72"), words) for name, words in more),
            style="line-height:1.5;font-size:13px;overflow-wrap:anywhere",
        )

    @property
    def ready(self) -> bool:
        """Whether there is something new to save."""
        return (self.answer.state == "matches" or self._takes()) and self.answer != self.saved

    def _takes(self) -> bool:
        word = unicodedata.normalize("NFKC", self.accept.value).strip().casefold()
        return self.answer.state in _ACCEPTABLE and word == ACCEPT

    def _typed(self, _: object = None) -> None:
        self.answer = mapping.check_answer(self.path.value, self.hash, self.others)
        self.path.options = tuple(folders_beginning(self.path.value))
        self.accept.value = ""
        self.accept.layout.display = None if self.answer.state in _ACCEPTABLE else "none"
        self._changed()

    def _changed(self, _: object = None) -> None:
        self._judge()
        if self.ready and time.monotonic() < self._entered_at + LATE:  # typed before Enter was pressed
            self.form.save()

    def _entered(self, _: object, content: dict, __: object) -> None:
        if content.get("event") != "submit":
            return
        self._entered_at = -LATE  # completing does not save by itself
        if self.answer.state == "mismatch" and (longer := complete(self.path.value)):
            self.path.value = longer
        self._entered_at = time.monotonic()
        self.form.save()

    def _judge(self) -> None:
        kind, word, words = _VERDICTS[self.answer.state]
        words = words.format(path=self.answer.path, other=file_hash(self.answer.other, self.redact))
        if self._takes():
            word, words = "Accepted", "It will be taken although it does not match."
        elif self.answer.state == "matches":
            words = "It exists here." if self.answer.exists else "It does not exist on this machine, which is no fault."
        elif self.answer.state == "mismatch":
            names = ", ".join(Path(name).name for name in self.path.options)
            words = "It exists here." if self.answer.exists else "It does not exist on this machine."
            words += f" Beginning so: {shorten(names, 120)}" if names else ""
        self.verdict.value = _line(kind, word, words)

    def keep(self) -> None:
        """Saved. Under `redact` what was typed does not stay in the page."""
        self.saved = self.answer
        if self.redact:
            self.path.unobserve(self._typed, "value")
            self.path.value, self.path.options = "", ()
            self.path.observe(self._typed, "value")
        words = "" if self.answer.state == "matches" else "Although it does not match, as you accepted."
        self.verdict.value = _line("good", "Saved", words)


def _line(kind: str, word: str, words: str) -> Html:
    style = "font-size:13px;line-height:1.6;overflow-wrap:anywhere"
    return tag("div", Badge(kind, word), "\u2002", words, role="status", style=style)


# Folders -------------------------------------------------------------------------------------------------------------


def folders_beginning(typed: str) -> list[str]:
    """The folders of this machine whose path begins with what is typed, as it is typed."""
    folder, slash, start = typed.rpartition("/")
    if not slash:
        return []
    wanted = unicodedata.normalize("NFC", start)
    try:
        with os.scandir(os.path.expanduser(folder + slash)) as entries:
            names = [
                entry.name
                for entry in islice(entries, 10_000)
                if unicodedata.normalize("NFC", entry.name).startswith(wanted)
                and (start.startswith(".") or not entry.name.startswith("."))
                and entry.is_dir()
            ]
    except (OSError, ValueError):
        return []
    return [f"{folder}/{name}" for name in sorted(names)[:MOST_FOLDERS]]


def complete(typed: str) -> str:
    """What is typed, as far as all folders that begin so agree; '' where that is no more than is there."""
    found = folders_beginning(typed)
    if not found:
        return ""
    # By letters, as a shell completes.
    longest = os.path.commonprefix(found) + ("/" if len(found) == 1 else "")  # noqa: RUF071
    return longest if len(longest) > len(typed) else ""


# Searching -----------------------------------------------------------------------------------------------------------


class SearchForm:
    """Fields that narrow a list of sessions as one types, and a field for the number of the one to read."""

    def __init__(self, run: Run, filters: object) -> None:
        import ipywidgets

        from ait42nb import explore

        self.run, self.explore, self.found = run, explore, []
        workspaces = run.get(explore.History).workspaces
        names = [w.label(run.settings.redact) for w in workspaces]

        def field(name: str, placeholder: str = "", options: tuple[str, ...] = (), width: str = "236px") -> object:
            made = ipywidgets.Combobox(
                description=name,
                placeholder=placeholder,
                options=options,
                continuous_update=True,
                layout={"width": width},
                style={"description_width": "78px"},
            )
            made.observe(self._changed, "value")
            return made

        self.fields = {
            "query": field("Search", "words of tasks and messages", width="100%"),
            "workspace": field("Workspace", "any", tuple(names), width="100%"),
            "type": field("Type", "any", TYPES),
            "status": field("Status", "any", SESSION_STATUSES),
            "since": field("From", "2025-03-01"),
            "until": field("To", "2025-12"),
        }
        self.number = field("Read no.", "a number above")
        self.number.unobserve(self._changed, "value")
        self.number.observe(self._read, "value")
        self.list = ipywidgets.HTML(layout={"width": "100%", "overflow": "auto"})
        self.reading = ipywidgets.HTML(layout={"width": "100%", "overflow": "auto"})
        row = {"flex_flow": "row wrap"}
        query, workspace, *others = self.fields.values()
        query.value = filters.query
        self.widget = ipywidgets.VBox(
            [query, workspace, ipywidgets.HBox(others, layout=row), self.list, self.number, self.reading],
            layout={"max_width": "960px"},
        )
        self._changed()

    def _changed(self, _: object = None) -> None:
        filters = self.explore.Filters(**{name: field.value for name, field in self.fields.items()})
        self.list.value, self.found = self._answer(filters)
        self._read()

    def _answer(self, filters: object) -> tuple[Html, list]:
        try:
            found = self.explore.find(self.run, filters)
        except Ait42Error as error:
            where, problem, remedy = error_words(error, self.run.settings.redact, self.run.home.path)
            return _line("failed", "Failed", f"{where}: {problem}. {remedy}."), []
        return self.explore.listing(self.run, found).html(), found

    def _read(self, _: object = None) -> None:
        word = unicodedata.normalize("NFKC", self.number.value).strip()
        chosen = int(word) if word.isdecimal() and len(word) < 9 else 0
        if not word:
            self.reading.value = ""
        elif 0 < chosen <= len(self.found):
            self.reading.value = self.explore.session(self.run, self.found[chosen - 1]).html()
        else:
            self.reading.value = _line("info", "Not there", "Type a number of the list.")
