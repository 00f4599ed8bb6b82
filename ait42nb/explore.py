"""What was migrated, to look at: pictures, search, and sessions to read. Changes nothing.

What agents wrote is shown as text: no markup, no terminal's commands, and no credentials.
"""

from __future__ import annotations

import json
import re
import sqlite3
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import PurePosixPath

from IPython.display import display

from ait42nb import __version__, database, report
from ait42nb.credentials import count_credentials, masked
from ait42nb.display import (
    Code,
    Details,
    Html,
    Notice,
    Pre,
    Shown,
    Stack,
    Table,
    counted,
    has_front_end,
    join,
    shorten,
    size,
    tag,
    visible,
)
from ait42nb.engine import sql
from ait42nb.errors import Ait42Error, DatabaseRefused, SettingsError
from ait42nb.home import Home
from ait42nb.mapping import digest, spellings
from ait42nb.pipeline import Run
from ait42nb.queries import (
    ChatMessageRow,
    InstanceRow,
    SessionRow,
    get_chat_messages_by_session,
    get_instances_by_session,
    get_sessions_by_workspace,
    search_sessions,
)
from ait42nb.redact import error_line, hidden
from ait42nb.settings import ExploreSettings, read_settings

MOST_SHOWN = 50  # sessions in a list
MOST_READ = 20  # of them whole, in a report that nobody can ask
LONGEST = 20_000  # characters of a text that are shown
FOLDED = 2_000  # a longer one is folded away


@dataclass(frozen=True)
class Workspace:
    """A workspace of the database: what it holds, and from when to when."""

    path: str
    sessions: int
    instances: int
    messages: int
    first: str
    last: str

    def label(self, redact: bool) -> str:
        return digest(self.path) if redact else self.path


@dataclass(frozen=True)
class History:
    """The workspaces of the database, or the one that the parameters name."""

    workspaces: tuple[Workspace, ...]
    chosen: str | None = None


@dataclass(frozen=True)
class Filters:
    """What to look for; everything that is given must hold, and what is empty does not count."""

    query: str = ""
    workspace: str = ""
    type: str = ""
    status: str = ""
    since: str = ""
    until: str = ""


def start(parameters: Mapping[str, object] | None = None, **more: object) -> Run:
    """Open a look from a notebook's `globals()` (or from keyword arguments); see `pipeline.start`."""
    try:
        settings = read_settings({**(parameters or {}), **more}, ExploreSettings)
    except Ait42Error as error:
        return Run(ExploreSettings(), Home(ExploreSettings().home), failure=error)
    run = Run(settings, Home(settings.home))
    run.step(open_history)
    return run


def open_history(run: Run) -> History:
    """Find out what the database holds.

    Raises: DatabaseRefused, when there is none, or not one of ours; SettingsError, when `workspace` names none of it
    """
    path = run.home.database
    state = database.inspect_database(path)
    if state.kind != "ours":
        raise DatabaseRefused(path, state.reason, "Run migrate.ipynb first, with dry_run = False")
    with connected(run) as connection:
        found = _workspaces(connection)
        chosen = _chosen(run.settings.workspace, found) if run.settings.workspace else None
        return History(tuple(w for w in found if chosen in (None, w.path)), chosen)


def _workspaces(connection: sqlite3.Connection, workspace_path: str | None = None) -> list[Workspace]:
    rows = connection.execute(sql("explore/by_workspace"), {"workspace_path": workspace_path})
    return [Workspace(*row) for row in rows]


def _chosen(wanted: str, workspaces: Iterable[Workspace]) -> str:
    """The workspace that is meant by a path in any spelling, by its hash, or by its folder's name."""
    known = {w.path: (w.path, digest(w.path)) for w in workspaces}
    spelt = {*spellings(wanted), *spellings(PurePosixPath(wanted).name)}
    fits = [path for path, names in known.items() if wanted in names or spelt.intersection(names)]
    fits = fits or [path for path in known if PurePosixPath(path).name in spelt]
    if len(fits) != 1:
        problem = "fits several workspaces" if fits else "is no workspace of this database"
        raise SettingsError("parameter workspace", problem, "Give its whole path, or its hash")
    return fits[0]


@contextmanager
def connected(run: Run) -> Iterator[sqlite3.Connection]:
    """The database, for one question: it may be written by others before the next."""
    path = run.home.database
    with database.driver_errors(path), closing(database.open_readonly(path)) as connection:
        yield connection


# The history as a whole


def overview(run: Run) -> Shown:
    """What the database holds, a workspace a row."""
    history = run.results.get(History)
    if history is None:
        return report.skipped(run)
    rows = [
        {
            "workspace": Code(w.label(run.settings.redact)),
            "sessions": w.sessions,
            "instances": w.instances,
            "messages": w.messages,
            "first": report.day(w.first, run.settings.redact),
            "last": report.day(w.last, run.settings.redact),
        }
        for w in history.workspaces
    ]
    columns = ["workspace", "sessions", "instances", "messages", "first", "last"]
    return Table(rows, columns, caption="Workspaces", total=True, empty="The database holds no sessions.")


def pictures(run: Run) -> Shown:
    """The history over time, by workspace and by runtime."""
    if run.results.get(History) is None:
        return report.skipped(run)
    with connected(run) as connection:
        return report.draw_history(connection, run.settings.redact, run.get(History).chosen)


def statistics(run: Run) -> Shown:
    """How the sessions of each type went, and the instances of each runtime."""
    if run.results.get(History) is None:
        return report.skipped(run)
    types = _summed(run, "explore/types", report.TYPES)
    runtimes = _summed(run, "explore/runtimes", (*report.RUNTIMES, "not told"))
    return Stack(
        Table(types, caption="Sessions by type", total=True, empty="The database holds no sessions."),
        Table(runtimes, caption="Instances by runtime", total=True) if runtimes else None,
    )


def _summed(run: Run, query: str, known: Iterable[str]) -> list[dict[str, object]]:
    """A query's rows, whose first column is a word of the format; those that `redact` calls alike are one."""
    with connected(run) as connection:
        found = connection.execute(sql(query), {"workspace_path": run.get(History).chosen})
        name, *counts = (column[0] for column in found.description)
        sums: dict[str, Counter[str]] = {}
        for word, *values in found:
            sums.setdefault(report.fixed(word, known, run.settings.redact), Counter()).update(
                dict(zip(counts, values, strict=True))
            )
    return [{name: word} | {count: summed[count] for count in counts} for word, summed in sums.items()]


# Searching


def find(run: Run, filters: Filters) -> list[SessionRow]:
    """The sessions that fit, the newest first."""
    history = run.get(History)
    wanted = [w for w in history.workspaces if _fits(filters.workspace, w.path, digest(w.path))]
    found: list[SessionRow] = []
    with connected(run) as connection:
        for workspace in wanted:
            if filters.query.strip():
                found += search_sessions(connection, workspace.path, filters.query)
            else:
                found += get_sessions_by_workspace(connection, workspace.path)
    return sorted((row for row in found if _passes(row, filters)), key=lambda row: row.created_at, reverse=True)


def _fits(wanted: str, *names: str) -> bool:
    return any(wanted.strip().casefold() in name.casefold() for name in names)


def _passes(row: SessionRow, filters: Filters) -> bool:
    """Dates compare as far as they are given: `until` 2025-03 takes all of March."""
    since, until = filters.since.strip(), filters.until.strip()
    return (
        _fits(filters.type, row.type)
        and _fits(filters.status, row.status)
        and row.created_at[: len(since)] >= since
        and row.created_at[: len(until)] <= until
    )


def listing(run: Run, sessions: list[SessionRow]) -> Table:
    """Sessions, numbered; under `redact` without their tasks."""
    redact = run.settings.redact
    rows = [
        {
            "no": number,
            "began": report.moment(row.created_at, redact),
            "workspace": Code(digest(row.workspace_path) if redact else PurePosixPath(row.workspace_path).name),
            "type": report.fixed(row.type, report.TYPES, redact),
            "status": row.status,
            "instances": row.instance_count,
            "messages": row.message_count,
            "id" if redact else "task": Code(row.id) if redact else shorten(_clean(row.task), 48),
        }
        for number, row in enumerate(sessions[:MOST_SHOWN], 1)
    ]
    columns = ["no", "began", "workspace", "type", "status", "instances", "messages", "id" if redact else "task"]
    return Table(rows, columns, caption=counted(len(sessions), "session"), of=len(sessions), empty="No session fits.")


def search(run: Run) -> None:
    """Search as one types; where nobody can type, what the parameters find, to be read at once."""
    if run.results.get(History) is None:
        display(report.skipped(run))
        return
    from ait42nb.widgets import SearchForm, show

    filters = Filters(query=run.settings.query)
    found = find(run, filters)
    if has_front_end():
        show(
            SearchForm(run, filters).widget, "A form to search with stands here while the notebook runs in JupyterLab."
        )
        display(Details("The same as a table", listing(run, found)))
        return
    named = run.settings.query or run.settings.workspace
    read = [Details(_heading(run, row), session(run, row)) for row in found[:MOST_READ]] if named else []
    left = len(found) - len(read)
    more = f"{left:,} more are not shown whole: search for less." if read and left else None
    display(Stack(listing(run, found), *read, more))


# Reading


def session(run: Run, row: SessionRow) -> Shown:
    """A session to read: what it was, its instances, and its chat."""
    redact = run.settings.redact
    with connected(run) as connection:
        instances = get_instances_by_session(connection, row.id)
        messages = get_chat_messages_by_session(connection, row.id)
    texts = [row.task, *(i.output or "" for i in instances), *(m.content for m in messages)]
    credentials = Counter()
    for text in texts if not redact else ():
        credentials += count_credentials(readable(text))
    return Stack(
        None if redact else Pre(_clean(row.task), even=False),
        _facts(row, redact),
        _masked_notice(credentials),
        _instances(instances, redact),
        _chat(messages, {i.id: i for i in instances}, redact),
    )


def _heading(run: Run, row: SessionRow) -> str:
    name = row.id if run.settings.redact else shorten(_clean(row.task), 90)
    return f"{report.moment(row.created_at, run.settings.redact)}\u2002{name}"


def _facts(row: SessionRow, redact: bool) -> Shown:
    facts = {
        "workspace": Code(digest(row.workspace_path) if redact else row.workspace_path),
        "type": report.fixed(row.type, report.TYPES, redact),
        "status": row.status,
        "began": report.moment(row.created_at, redact),
        "changed": report.moment(row.updated_at, redact),
        "completed": report.moment(row.completed_at, redact),
        "model": hidden(row.model or "", redact),
        "runtimes": hidden(_names(row.runtime_mix), redact),
        "winner": row.winner_id,
        "files changed": row.total_files_changed,
        "lines": _lines(row.total_lines_added, row.total_lines_deleted),
    }
    rows = [{"what": name, "is": value} for name, value in facts.items() if value not in (None, "")]
    return Table(rows, {"what": "id", "is": row.id})


def _names(runtimes: str | None) -> str:
    """A session's runtimes: a list in JSON, if its writer kept to that."""
    try:
        return ", ".join(json.loads(runtimes or "[]"))
    except (ValueError, TypeError, RecursionError):
        return runtimes


def _filled(rows: list[dict[str, object]]) -> list[str]:
    """The columns in which something stands."""
    return [column for column in rows[0] if any(row[column] not in (None, "") for row in rows)] if rows else ["none"]


def _lines(added: int | None, deleted: int | None) -> str:
    return "" if added is None and deleted is None else f"+{added or 0:,} −{deleted or 0:,}"


def _masked_notice(credentials: Counter[str]) -> Shown | None:
    if not credentials:
        return None
    kinds = ", ".join(f"{count} {kind}" for kind, count in sorted(credentials.items()))
    return Notice(
        "warning", f"{credentials.total()} credentials are masked here", f"{kinds}. The database has them whole."
    )


def _instances(instances: list[InstanceRow], redact: bool) -> Shown:
    rows = [
        {
            "no": i.instance_id,
            "agent": "" if redact else shorten(_clean(i.agent_name), 40),
            "status": report.fixed(i.status, report.STATUSES, redact),
            "runtime": report.fixed(i.runtime or "", report.RUNTIMES, redact),
            "branch": "" if redact else Code(shorten(_clean(i.branch), 40)),
            "began": report.moment(i.start_time, redact),
            "ended": report.moment(i.end_time, redact),
            "files": i.files_changed,
            "lines": _lines(i.lines_added, i.lines_deleted),
        }
        for i in instances
    ]
    outputs = [Details(f"Output of instance {i.instance_id}", Text(i.output)) for i in instances if i.output]
    return Stack(Table(rows, _filled(rows), caption="Instances", limit=200), *(() if redact else outputs))


def _chat(messages: list[ChatMessageRow], instances: Mapping[int, InstanceRow], redact: bool) -> Shown:
    numbers = {m.id: instances[m.instance_id_ref].instance_id for m in messages if m.instance_id_ref in instances}
    if not redact:
        return Stack(*(Message(m, numbers.get(m.id)) for m in messages))
    rows = [
        {
            "when": report.moment(m.timestamp, redact),
            "role": report.fixed(m.role, report.ROLES, redact),
            "instance": numbers.get(m.id),
            "size": size(len(m.content.encode())),
        }
        for m in messages
    ]
    return Table(rows, ["when", "role", "instance", "size"], caption="Messages", right={"size"}, limit=200)


@dataclass(frozen=True)
class Text(Shown):
    """What a person, an agent or a terminal wrote: readable, without credentials, and folded where it is long."""

    value: str

    def _parts(self) -> tuple[str, str]:
        text = _clean(self.value).strip("\n")
        left = len(text) - LONGEST
        text = text[:LONGEST] + (f"\n… and {left:,} characters more" if left > 0 else "")
        if len(text) <= FOLDED:
            return text, ""
        end = text.rfind("\n", 0, FOLDED // 2)
        end = end if end > 0 else FOLDED // 2
        return text[:end], text[end:].removeprefix("\n")

    def html(self) -> Html:
        even = _TERMINAL.search(self.value) is not None
        begins, rest = self._parts()
        if not rest:
            return Pre(begins, even).html()
        folded = tag("details", tag("summary", f"{len(rest):,} characters more", style=_SUMMARY), Pre(rest, even))
        return join(Pre(begins, even), folded)

    def text(self) -> str:
        return visible("\n".join(filter(None, self._parts())))


@dataclass(frozen=True)
class Message(Shown):
    """One message of a chat: who, when, and what."""

    row: ChatMessageRow
    instance: int | None

    def _head(self) -> tuple[str, str]:
        who = self.row.role if self.instance is None else f"{self.row.role}, instance {self.instance}"
        return shorten(who, 60), report.moment(self.row.timestamp, False)

    def html(self) -> Html:
        who, when = self._head()
        edge = {"user": "#33709f", "assistant": "#4fc48a"}.get(self.row.role, "#b4b8bd")
        head = tag("div", tag("strong", who), "\u2002", tag("span", when, style="opacity:0.72"), style="font-size:13px")
        return tag("div", head, Text(self.row.content), style=f"border-left:3px solid {edge};padding:0 0 2px 12px")

    def text(self) -> str:
        return f"{' · '.join(self._head())}\n{Text(self.row.content).text()}"


_SUMMARY = "cursor:pointer;font-size:13px;opacity:0.72"
# Boxes, blocks, code, what is indented, and whatever a terminal was told: shown in letters of one breadth.
_TERMINAL = re.compile("[\x1b\u2500-\u259f]|```|^(?: {2,}|\t)\\S", re.MULTILINE)
# Control sequences (colours, the cursor), strings for the terminal itself (titles, links), and the shorter ones.
_FORWARD = re.compile("(?:\x1b\\[|\x9b)([0-9]{0,3})C")
_ESCAPES = re.compile(
    "(?:\x1b\\[|\x9b)[0-?]*[ -/]*(?:[@-~]|\\Z)|\x1b[\\]PX^_][^\x07\x1b\x9c\n]*(?:\x07|\x1b\\\\|\x9c)?|\x1b[ -/]*[0-~]"
)


def readable(text: str) -> str:
    """A terminal's text as a person saw it: without its commands, lines that were overwritten as they ended."""
    if "\x1b" in text or "\x9b" in text:
        text = _FORWARD.sub(lambda found: " " * min(int(found[1] or 1), 200), text)
        text = _ESCAPES.sub("", text)
    if "\x08" in text:
        text = _rubbed_out(text)
    if "\r" in text:
        text = "\n".join(line.rstrip("\r").rpartition("\r")[2] for line in text.split("\n"))
    return text


def _rubbed_out(text: str) -> str:
    kept: list[str] = []
    for character in text:
        if character != "\x08":
            kept.append(character)
        elif kept and kept[-1] != "\n":
            kept.pop()
    return "".join(kept)


def _clean(text: str) -> str:
    return masked(readable(text))


# The end


def summarize(run: Run) -> dict[str, object]:
    """The summary: what there is, and how much of it was found."""
    history = run.results.get(History)
    kinds = ("sessions", "instances", "messages")
    return {
        "outcome": "failed" if run.failure else "ok",
        "dry_run": True,
        "run_id": run.run_id,
        "kit_version": __version__,
        "ait42_home": hidden(str(run.home.path), run.settings.redact),
        "workspaces": len(history.workspaces) if history else 0,
        **{kind: sum(getattr(w, kind) for w in history.workspaces) if history else 0 for kind in kinds},
        "found": len(find(run, Filters(query=run.settings.query))) if history else 0,
        "errors": [error_line(run.failure, run.settings.redact, run.home.path)] if run.failure else [],
    }


def summary(run: Run) -> None:
    """Show the summary, and carry it as JSON in this cell."""
    content = summarize(run)
    told = f"{content['found']:,} of {content['sessions']:,} sessions found in {content['workspaces']:,} workspaces"
    report.show_summary(report.failure(run) if run.failure else Notice("good", told), content)
