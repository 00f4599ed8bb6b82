"""The proof, tested by damage: one stored value is changed, and exactly that one is named; nothing is published."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager

import pytest

from ait42nb import database, pipeline
from ait42nb import verify as kit
from ait42nb.errors import VerificationFailed
from ait42nb.samples import instance, message, session
from ait42nb.stage import Staged, stage_database
from ait42nb.verify import Difference, compare_values, verify_database

APP = "/home/aki/app"

# What finds a row; changing it is losing one row and gaining another. References: see below.
KEYS = {"id", "session_id", "instance_id", "instance_id_ref"}
# One row in each session.
ROWS = {
    "sessions": ("session", "true"),
    "instances": ("instance", "instance_id = 2"),
    "chat_messages": ("message", "id in ('bulk-m1', 'odd-m1')"),
}
KEY = {"session": lambda way: "", "instance": lambda way: "2", "message": lambda way: f"{way}-m1"}
# One session read in bulk, one looked at by itself.
WAYS = {"bulk": {}, "odd": {"evaluation": {"score": 1}}}


def records() -> list[dict]:
    full = {"completedAt": "2025-11-01T10:00:00Z", "model": "m", "winnerId": 1, "runtimeMix": ["claude"]}
    totals = {"totalDuration": 1, "totalFilesChanged": 2, "totalLinesAdded": 3, "totalLinesDeleted": 4}
    numbers = {"output": "o", "endTime": "2025-11-01T10:00:00Z", "filesChanged": 1, "linesAdded": 2, "linesDeleted": 3}
    return [
        session(
            id=way,
            instances=[instance(instanceId=n, **numbers) for n in (1, 2)],
            chatHistory=[message(id=f"{way}-m{n}", content=f"{n}", instanceId=1) for n in range(3)],
            **full,
            **totals,
            **more,
        )
        for way, more in WAYS.items()
    ]


@pytest.fixture
def unproven(home, request: pytest.FixtureRequest) -> Callable[[], pipeline.Run]:
    """A run that has staged, and not verified yet."""

    def stage() -> pipeline.Run:
        run = pipeline.start(ait42_home=str(home.path), dry_run=False, backup=False)
        request.addfinalizer(run.close)
        for stage in pipeline.STAGES[: pipeline.STAGES.index(stage_database) + 1]:
            run.step(stage)
        assert run.failure is None
        return run

    return stage


@pytest.fixture
def staged(home, unproven) -> pipeline.Run:
    """Of two sessions."""
    home.write(APP, records())
    return unproven()


@contextmanager
def opened(run: pipeline.Run) -> Iterator[sqlite3.Connection]:
    """The staging file, with no rule in force."""
    with closing(sqlite3.connect(run.get(Staged).path, isolation_level=None)) as connection:
        connection.execute("pragma ignore_check_constraints = on")
        connection.execute("pragma synchronous = off")
        yield connection


def damage(run: pipeline.Run, *statements: str) -> None:
    """Change the staging file, triggers aside."""
    with opened(run) as connection:
        database.drop_triggers(connection)
        for statement in statements:
            connection.execute(statement)


def named(run: pipeline.Run) -> list[tuple[str, str, str, str]]:
    return [difference[:4] for difference in compare_values(run)[0]]


def test_without_damage_nothing_differs(staged):
    """And every value was compared: 18 of a session, 14 of an instance, 4 of a message."""
    assert compare_values(staged) == ([], 2 * 18 + 4 * 14 + 6 * 4)


@pytest.mark.parametrize("table", ROWS)
def test_each_changed_value_is_named(staged, table: str):
    """A value in each column in turn, of one row in either session: text longer by a letter, a number larger by one."""
    entity, rows = ROWS[table]
    with opened(staged) as connection:
        columns = [name for _, name, *_ in connection.execute(f"pragma table_info({table})") if name not in KEYS]
    assert len(columns) == {"sessions": 18, "instances": 14, "chat_messages": 3}[table]
    for column in columns:
        with opened(staged) as connection:
            triggers = database.drop_triggers(connection)
            before = connection.execute(f"select rowid, {column} from {table} where {rows}").fetchall()  # noqa: S608
            update = f"update {table} set {column} = ? where rowid = ?"  # noqa: S608, names of ours
            after = [value + 1 if isinstance(value, int) else f"{value}x" for _, value in before]
            connection.executemany(update, zip(after, [rowid for rowid, _ in before], strict=True))

        found, _ = compare_values(staged)

        assert [difference[:4] for difference in found] == [(entity, way, KEY[entity](way), column) for way in WAYS]
        assert [str(difference.found) for difference in found] == list(map(str, after))
        with opened(staged) as connection:
            connection.executemany(update, [(value, rowid) for rowid, value in before])
            database.run_statements(connection, triggers)
    assert named(staged) == []


# What is stored beside the main tables, and what finds a row there.
KEPT = {
    "migration_residue": ("residue", ("entity", "session_id", "key")),
    "migration_ledger": ("ledger", ("session_id",)),
    "migration_rejects": ("reject", ("source_path", "pointer")),
}
# A row's number says nothing; `base` says what `merge` computes of values that are compared.
NO_VALUES = {"reject_id", "base"}


@pytest.mark.parametrize("table", KEPT)
def test_each_changed_value_beside_the_main_tables_is_named(home, unproven, table: str):
    """In each row and column in turn: residue of each kind, the ledger, and what is held or stands aside."""
    odd = session(id="odd", evaluation=1, winnerId=2**31, instances=[instance(codeComplexity=1)] * 2)
    odd["chatHistory"] = [message(id="m", votes=1), message(id="m", votes=1), message(id="n", instanceId=7)]
    taken = session(id="taken", createdAt="2025-11-02T00:00:00Z", chatHistory=[message(id="n", instanceId=9)])
    home.write(APP, [odd, session(id="odd"), taken, session(status="odd"), None])
    home.write("/b", "{}")
    home.write("/c", b"[\xff]")
    run, (entity, keys) = unproven(), KEPT[table]
    with opened(run) as connection:
        rows = connection.execute(f"select rowid, * from {table}").fetchall()  # noqa: S608, names of ours
        names = [name for _, name, *_ in connection.execute(f"pragma table_info({table})")]
    assert len(rows) == {"migration_residue": 7, "migration_ledger": 2, "migration_rejects": 5}[table]
    for rowid, *row in rows:
        for column, before in zip(names, row, strict=True):
            if column in NO_VALUES:
                continue
            after = changed(before)
            with opened(run) as connection:
                update = f"update {table} set {column} = ? where rowid = ?"  # noqa: S608, names of ours
                connection.execute(update, (after, rowid))
                found, _ = compare_values(run)
                connection.execute(update, (before, rowid))
            lost_and_new = [(entity, "*"), (entity, "*")]
            told = [(difference.entity, difference.column) for difference in found]
            assert told == (lost_and_new if column in keys else [(entity, column)]), (row, column)
    assert named(run) == []


def changed(value: object) -> object:
    """Another value of the same type; an object is one even so."""
    if isinstance(value, str) and value.startswith("{") and value.endswith("}"):
        return value[:-1] + ',"more":1}'
    if isinstance(value, bytes):
        return value + b"x"
    return value + 1 if isinstance(value, int) else f"{value or ''}x"


def test_a_difference_says_where_it_is():
    assert str(Difference("reject", "", "sessions/a.json/0", "reason", "a", "b")) == "reject sessions/a.json/0: reason"
    assert str(Difference("message", "s", "m1", "content", "a", "b")) == "message m1 of session s: content"
    assert str(Difference("session", "s", "", "task", "a", "b")) == "session s of session s: task"


@pytest.mark.parametrize("way", WAYS)
def test_a_changed_reference_is_named(staged, way: str):
    """To another instance, to none, to another session's instance of the same number, to a row that there is not."""
    (other,) = set(WAYS) - {way}
    with opened(staged) as connection:
        rows = connection.execute("select session_id, instance_id, id from instances")
        row_id = {(session_id, number): id_ for session_id, number, id_ in rows}
    for reference in (row_id[way, 2], None, row_id[other, 1], 999):
        with opened(staged) as connection:
            connection.execute("update chat_messages set instance_id_ref = ? where id = ?", (reference, f"{way}-m0"))
        assert named(staged) == [("message", way, f"{way}-m0", "instance_id")], reference


@pytest.mark.parametrize(
    ("statement", "difference"),
    [
        ("delete from chat_messages where id = 'bulk-m2'", ("message", "bulk", "bulk-m2", "*")),
        ("delete from instances where session_id = 'odd' and instance_id = 2", ("instance", "odd", "2", "*")),
        ("insert into chat_messages values ('new', 'odd', null, 'user', 'x', 'y')", ("message", "odd", "new", "*")),
        (
            "insert into instances"
            " (session_id, instance_id, worktree_path, branch, agent_name, status, tmux_session_id)"
            " values ('bulk', 9, 'w', 'b', 'a', 's', 't')",
            ("instance", "bulk", "9", "*"),
        ),
        (
            "insert into sessions (id, workspace_path, type, task, status, created_at, updated_at)"
            " values ('new', 'w', 't', 't', 'failed', 'c', 'u')",
            ("session", "new", "", "*"),
        ),
    ],
)
def test_a_row_too_few_or_too_many_is_named(staged, statement: str, difference: tuple):
    damage(staged, statement)
    assert named(staged) == [difference]


def test_a_lost_session_is_named_with_all_it_holds(staged):
    damage(
        staged,
        "delete from sessions where id = 'bulk'",
        "delete from instances where session_id = 'bulk'",
        "delete from chat_messages where session_id = 'bulk'",
    )
    assert sorted({(entity, column) for entity, _, _, column in named(staged)}) == [
        ("instance", "*"),
        ("message", "*"),
        ("session", "*"),
    ]
    assert len(named(staged)) == 1 + 2 + 3


def test_a_message_in_another_session_is_named_in_both(staged):
    damage(staged, "update chat_messages set session_id = 'odd', instance_id_ref = null where id = 'bulk-m1'")
    lost_or_new = [difference for difference in named(staged) if difference[3] == "*"]
    assert sorted(lost_or_new) == [("message", "bulk", "bulk-m1", "*"), ("message", "odd", "bulk-m1", "*")]


@pytest.mark.parametrize("way", WAYS)
def test_a_swapped_order_is_named(staged, way: str):
    """Every value is right, but the messages' rowids tell another story."""
    with opened(staged) as connection:
        database.drop_triggers(connection)
        rowids = dict(connection.execute("select id, rowid from chat_messages"))
        first, second = f"{way}-m0", f"{way}-m1"
        for id_, rowid in ((first, -1), (second, rowids[first]), (first, rowids[second])):
            connection.execute("update chat_messages set rowid = ? where id = ?", (rowid, id_))
    assert sorted(named(staged)) == [("message", way, f"{way}-m0", "order"), ("message", way, f"{way}-m1", "order")]


def test_types_count(home, staged):
    """Text that was stored as bytes is not what the editor reads."""
    damage(staged, "update sessions set task = cast(task as blob) where id = 'bulk'")
    publish(staged)
    assert isinstance(staged.failure, VerificationFailed)
    assert "of a type that it cannot read" in staged.failure.problem
    assert not home.database.exists()


def publish(run: pipeline.Run) -> None:
    """Go on from verification to the end."""
    for stage in pipeline.STAGES[pipeline.STAGES.index(verify_database) :]:
        run.step(stage)
    run.close()


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        (
            "update sessions set task = task || '.' where id = 'bulk'",
            "1 values differ from their source: session bulk of session bulk: task",
        ),
        ("delete from migration_ledger where session_id = 'odd'", "ledger odd of session odd: *"),
        ("delete from migration_residue", "residue session of session odd: *"),
    ],
)
def test_what_is_not_proven_is_not_published(home, staged, statement: str, words: str):
    """One sentence that names it; the home is as it was but for what is gone with the run."""
    damage(staged, statement)
    publish(staged)
    assert isinstance(staged.failure, VerificationFailed)
    assert words in str(staged.failure)
    assert sorted(path.name for path in home.path.iterdir()) == ["sessions", "workspace_mapping.json"]


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        ("delete from migration_ledger where session_id = 'odd'", r"\+\d+ \w+ of sessions/"),
        (
            "insert into migration_rejects (run_id, source_path, entity, reason)"
            " select run_id, source_path, 'session', 'x' from migration_ledger limit 1",
            "-1 sessions of sessions/",
        ),
    ],
)
def test_what_does_not_balance_is_not_published(
    home, staged, monkeypatch: pytest.MonkeyPatch, statement: str, words: str
):
    """Even if the values were thought equal (invariant 2)."""
    damage(staged, statement)
    monkeypatch.setattr(kit, "compare_values", lambda run: ([], 1))
    publish(staged)
    assert isinstance(staged.failure, VerificationFailed)
    assert re.search(f"the books do not balance: {words}", str(staged.failure))
    assert not home.database.exists()


def test_a_thousand_differences_are_counted_and_some_named(staged, monkeypatch: pytest.MonkeyPatch):
    """The sentence stays readable."""
    many = [Difference("message", "s", f"m{n}", "content", "a", "b") for n in range(1000)]
    monkeypatch.setattr(kit, "compare_values", lambda run: (many, 4000))
    staged.step(verify_database)
    assert staged.failure.problem.startswith("1000 values differ from their source: message m0 of session s: content; ")
    assert staged.failure.problem.count(";") == 19


def test_the_editor_sees_what_was_migrated(home):
    """Its own queries, asked with the path as it normalises it, give every row back."""
    home.write(APP, records())
    home.write("/home/aki/empty", [])
    run = home.run()
    assert run.get(kit.Verified).workspaces == ((APP, 2, 4, 6),)
    assert run.get(kit.Verified).report.values_compared == 2 * 18 + 4 * 14 + 6 * 4
    assert run.get(kit.Verified).report.is_valid


@pytest.mark.parametrize(
    "change",
    [
        "update sessions set workspace_path = workspace_path || '/'",
        "update sessions set total_duration = 1.5 where id = 'bulk'",
        "update instances set lines_added = 2147483648 where session_id = 'odd'",
        "update chat_messages set content = cast('x' as blob) where id = 'odd-m1'",
    ],
)
def test_what_the_editor_could_not_read_is_found_without_the_comparison(
    staged, monkeypatch: pytest.MonkeyPatch, change: str
):
    """Even if the values were thought equal."""
    damage(staged, change)
    monkeypatch.setattr(kit, "_differences", lambda run: [])
    staged.step(verify_database)
    assert isinstance(staged.failure, VerificationFailed)
    assert "the editor would see" in staged.failure.problem or "not valid" in staged.failure.problem
