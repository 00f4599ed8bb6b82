"""The way back: what the editor of before the database opens, and that it is what went in."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
import tempfile
import tracemalloc
from dataclasses import replace
from pathlib import Path

import oracle
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ait42nb import export, queries, samples
from ait42nb.database import connect
from ait42nb.errors import Ait42Error, DatabaseLocked, DatabaseRefused, HomeError, SettingsError
from ait42nb.export import Exported, ExportedFile, export_json
from ait42nb.mapping import workspace_hash
from ait42nb.queries import ChatMessageRow, InstanceRow, SessionRow

APP, FILE = "/home/aki/app", f"{workspace_hash('/home/aki/app')}.json"
SESSION = SessionRow("s1", APP, "debate", "認証", "paused", "2025-11-01T09:00:00Z", "2025-11-01T09:30:00Z")
INSTANCE = InstanceRow(0, "s1", 1, "/w", "b", "a", "idle", "x")
MESSAGE = ChatMessageRow("m1", "s1", None, "user", "hello", "2025-11-01T09:01:00Z")


class Stored:
    """A database by hand, and what it is as JSON."""

    def __init__(self, path: Path) -> None:
        self.path, self.out = path, path.parent.parent / "out"
        self.connection = connect(path)

    def add(self, *rows: SessionRow | InstanceRow | ChatMessageRow) -> None:
        insert = {
            SessionRow: queries.insert_session,
            InstanceRow: queries.insert_instance,
            ChatMessageRow: queries.insert_chat_message,
        }
        for row in rows:
            insert[type(row)](self.connection, row)

    def execute(self, statement: str, *values: object) -> None:
        self.connection.execute(statement, values)

    def residue(self, entity: str, key: str, document: str) -> None:
        self.execute("insert into migration_residue values (?, 's1', ?, ?)", entity, key, document)

    def stood_in(self, source_path: str, pointer: str, session_id: str = "s1") -> None:
        self.execute("insert into migration_ledger values (?, ?, ?, '', '{}', 'r')", session_id, source_path, pointer)

    def source(self, hash_: str, workspace_path: str | None, source_path: str = "") -> None:
        statement = "insert into migration_files (source_path, workspace_hash, workspace_path, state, run_id)"
        source_path = source_path or f"sessions/{hash_}.json"
        self.execute(f"{statement} values (?, ?, ?, 'read', 'r')", source_path, hash_, workspace_path)

    def export(self) -> Exported:
        self.connection.close()
        return export_json(self.path, self.out)

    def texts(self) -> dict[str, str]:
        self.export()
        return {file.name: file.read_bytes().decode() for file in self.out.iterdir()}

    def sessions(self, name: str = FILE) -> list[dict]:
        return json.loads(self.texts()[name])


@pytest.fixture
def stored(tmp_path: Path) -> Stored:
    return Stored(tmp_path / "home" / "sessions.db")


# What a file looks like


def test_text(stored):
    """A file is, byte by byte, what serde_json's pretty printer makes of the editor's structures."""
    stored.add(
        replace(SESSION, runtime_mix='["claude","日本"]', preserve_worktrees=1, total_duration=2**63 - 1),
        INSTANCE,
        replace(MESSAGE, content='"\\/\0\b\t\n\f\r\x1b\x7f\u2028😀', instance_id_ref=1),
        replace(MESSAGE, id="m2"),
        replace(SESSION, id="s2", runtime_mix="[]", created_at="2025-11-02T09:00:00Z"),
    )

    text = r"""[
  {
    "id": "s1",
    "type": "debate",
    "task": "認証",
    "status": "paused",
    "createdAt": "2025-11-01T09:00:00Z",
    "updatedAt": "2025-11-01T09:30:00Z",
    "completedAt": null,
    "instances": [
      {
        "instanceId": 1,
        "worktreePath": "/w",
        "branch": "b",
        "agentName": "a",
        "status": "idle",
        "tmuxSessionId": "x",
        "output": null,
        "startTime": null,
        "endTime": null,
        "filesChanged": null,
        "linesAdded": null,
        "linesDeleted": null,
        "runtime": null,
        "model": null,
        "runtimeLabel": null
      }
    ],
    "chatHistory": [
      {
        "id": "m1",
        "role": "user",
        "content": "\"\\/\u0000\b\t\n\f\r\u001b<DEL><LS>😀",
        "timestamp": "2025-11-01T09:01:00Z",
        "instanceId": 1
      },
      {
        "id": "m2",
        "role": "user",
        "content": "hello",
        "timestamp": "2025-11-01T09:01:00Z",
        "instanceId": null
      }
    ],
    "model": null,
    "timeoutSeconds": null,
    "preserveWorktrees": true,
    "winnerId": null,
    "runtimeMix": [
      "claude",
      "日本"
    ],
    "totalDuration": 9223372036854775807,
    "totalFilesChanged": null,
    "totalLinesAdded": null,
    "totalLinesDeleted": null
  },
  {
    "id": "s2",
    "type": "debate",
    "task": "認証",
    "status": "paused",
    "createdAt": "2025-11-02T09:00:00Z",
    "updatedAt": "2025-11-01T09:30:00Z",
    "completedAt": null,
    "instances": [],
    "chatHistory": [],
    "model": null,
    "timeoutSeconds": null,
    "preserveWorktrees": false,
    "winnerId": null,
    "runtimeMix": [],
    "totalDuration": null,
    "totalFilesChanged": null,
    "totalLinesAdded": null,
    "totalLinesDeleted": null
  }
]"""
    assert stored.texts() == {FILE: text.replace("<DEL>", "\x7f").replace("<LS>", "\u2028")}


def test_exported(stored):
    """What was written is told by file and in all, and how much of it no JSON has ever held."""
    stored.add(SESSION, INSTANCE, MESSAGE, replace(SESSION, id="s2"), replace(SESSION, id="s3", workspace_path="/b"))
    stored.stood_in(f"sessions/{FILE}", "/0")

    exported = stored.export()

    sizes = {file.name: file.stat().st_size for file in stored.out.iterdir()}
    other = f"{workspace_hash('/b')}.json"
    files = (ExportedFile(FILE, 2, 1, 1, sizes[FILE]), ExportedFile(other, 1, 0, 0, sizes[other]))
    assert exported == Exported(tuple(sorted(files, key=lambda file: file.name)), only_in_database=2)
    assert exported.totals == {"sessions": 3, "instances": 1, "messages": 1, "bytes": sum(sizes.values())}


def test_nothing_stored(stored):
    """A database without sessions gives an empty folder."""
    assert stored.texts() == {}


TEXT = st.text(st.characters(exclude_categories=["Cs"]))
U32 = st.none() | st.integers(0, 2**32 - 1)
RECORDS = st.builds(
    samples.session,
    task=TEXT,
    status=st.sampled_from(["running", "completed", "failed", "paused"]),
    completedAt=st.none() | TEXT,
    model=st.none() | TEXT,
    winnerId=U32,
    preserveWorktrees=st.booleans(),
    runtimeMix=st.none() | st.lists(TEXT, max_size=3),
    instances=st.lists(
        st.builds(samples.instance, instanceId=st.integers(0, 2**31 - 1), branch=TEXT, output=TEXT, linesAdded=U32),
        max_size=3,
        unique_by=lambda item: item["instanceId"],
    ),
    chatHistory=st.lists(
        st.builds(samples.message, id=TEXT, role=TEXT, content=TEXT), max_size=3, unique_by=lambda item: item["id"]
    ),
)


@given(RECORDS)
@settings(max_examples=40, deadline=None)
def test_any_text(record):
    """Any text and number comes out as the editor would write it, and as it was."""
    with tempfile.TemporaryDirectory() as folder:
        stored = Stored(Path(folder, "home", "sessions.db"))
        columns = [value for key, value in record.items() if key not in ("instances", "chatHistory")]
        mix = record["runtimeMix"]
        columns[11] = mix and json.dumps(mix, ensure_ascii=False) if mix != [] else "[]"
        stored.add(SessionRow(columns[0], APP, *columns[1:]))
        stored.add(*(InstanceRow(0, record["id"], *item.values()) for item in record["instances"]))
        for item in record["chatHistory"]:
            stored.add(ChatMessageRow(item["id"], record["id"], None, *list(item.values())[1:4]))

        texts = stored.texts()

    assert texts == {FILE: samples.dumps([record])}
    assert json.loads(texts[FILE]) == [record]


# What the columns cannot say


def test_unknown_keys(stored):
    """Unknown keys follow the known ones, their values in the very characters in which they were written."""
    stored.add(SESSION, INSTANCE, MESSAGE)
    raw = '{"n":1e2, "half":"\\ud800","deep": {\n "a" : [1.10,-0,12345678901234567890123],\t"é\\"":null}}'
    for entity, key in (("session", ""), ("instance", "1"), ("message", "m1")):
        stored.residue(entity, key, raw)

    (text,) = stored.texts().values()

    inner = ',{0}"n": 1e2,{0}"half": "\\ud800",{0}"deep": {{\n "a" : [1.10,-0,12345678901234567890123],\t"é\\"":null}}'
    assert f'"totalLinesDeleted": null{inner.format(chr(10) + " " * 4)}\n  }}\n]' in text
    assert f'"runtimeLabel": null{inner.format(chr(10) + " " * 8)}\n      }}\n    ]' in text
    assert f'"instanceId": null{inner.format(chr(10) + " " * 8)}\n      }}\n    ]' in text


@pytest.mark.parametrize(("stored_since", "written"), [(None, "4294967295"), (0, "0")])
def test_value_beyond_its_column(stored, stored_since, written):
    """A value that its column could not hold comes from the residue, until the column has one."""
    stored.add(replace(SESSION, winner_id=stored_since), replace(INSTANCE, lines_added=stored_since))
    stored.residue("session", "", '{"winnerId":4294967295}')
    stored.residue("instance", "1", '{"linesAdded":4294967295}')

    (text,) = stored.texts().values()

    assert text.count(f'"winnerId": {written},') == text.count('"winnerId"') == 1
    assert text.count(f'"linesAdded": {written},') == text.count('"linesAdded"') == 1


@pytest.mark.parametrize(("reference", "written"), [(None, 7), (1, 1)])
def test_unmatched_instance(stored, reference, written):
    """A message's number of an instance that there was not comes back, unless the message refers to one by now."""
    stored.add(SESSION, INSTANCE, replace(MESSAGE, instance_id_ref=reference))
    stored.residue("message", "m1", '{"instanceId":7}')

    assert stored.sessions()[0]["chatHistory"][0]["instanceId"] == written


def test_own_id(stored):
    """A message that is stored under another id has its own one in JSON, in its place."""
    stored.add(SESSION, MESSAGE, replace(MESSAGE, id="m1@s1#2", content="other"))
    stored.residue("message", "m1@s1#2", r'{"id":"m\u0031"}')

    (text,) = stored.texts().values()

    assert [item["content"] for item in json.loads(text)[0]["chatHistory"]] == ["hello", "other"]
    assert '{\n        "id": "m\\u0031",\n        "role": "user",\n        "content": "other"' in text


def test_order(stored):
    """Lists come in the order of the residue, with their repeats."""
    stored.add(SESSION, *(replace(INSTANCE, instance_id=n) for n in (3, 1)), *(replace(MESSAGE, id=i) for i in "ab"))
    stored.residue("order", "instances", '{"order":[1,3,1]}')
    stored.residue("order", "chatHistory", '{"order":["b","a","b","b"]}')

    [session] = stored.sessions()

    assert [item["instanceId"] for item in session["instances"]] == [1, 3, 1]
    assert [item["id"] for item in session["chatHistory"]] == ["b", "a", "b", "b"]


def test_order_of_other_rows(stored):
    """An order keeps what still holds of it: the rest of its rows, then new ones in theirs."""
    stored.add(SESSION)
    stored.add(*(replace(INSTANCE, instance_id=n) for n in (9, 3, 1)), *(replace(MESSAGE, id=i) for i in "zyba"))
    stored.residue("order", "instances", '{"order":[1,2,3,1]}')
    stored.residue("order", "chatHistory", '{"order":["gone","a","b","a"]}')

    [session] = stored.sessions()

    assert [item["instanceId"] for item in session["instances"]] == [1, 3, 1, 9]
    assert [item["id"] for item in session["chatHistory"]] == ["a", "b", "a", "z", "y"]


# Which file, which place


def test_places(stored):
    """Sessions stand where they stood in JSON; what only the database has comes last, by time and id."""
    times = {"z": "2025-01-01", "a": "2025-01-02", "b": "2025-01-02", "0": "2025-01-03"}
    for id_ in ("0", "10", "b", "a", "9", "z"):
        stored.add(replace(SESSION, id=id_, created_at=times.get(id_, "2026")))
    stored.source(FILE[:-5], APP)
    stored.stood_in(f"sessions/{FILE}", "/9", "9")
    stored.stood_in(f"sessions/{FILE}", "/10", "10")
    stored.stood_in(f"sessions/{FILE}", "/11", "deleted since")

    assert [session["id"] for session in stored.sessions()] == ["9", "10", "z", "a", "b", "0"]


@pytest.mark.parametrize(
    ("known_as", "name"),
    [
        (APP, "0123456789abcdef.json"),  # as it was, even if the hash is not the path's
        (None, "0123456789abcdef.json"),  # nobody knows any more
        ("/elsewhere", FILE),  # the session has moved to another workspace since
    ],
)
def test_file_of_a_session_from_json(stored, known_as, name):
    """A session goes back to the file it came from, unless it belongs to another workspace by now."""
    stored.add(SESSION)
    stored.source("0123456789abcdef", known_as)
    stored.stood_in("sessions/0123456789abcdef.json", "/0")

    assert list(stored.texts()) == [name]


def test_file_of_a_new_session(stored):
    """A session that only the database has goes where the workspace's other sessions came from."""
    stored.add(SESSION, replace(SESSION, id="s2", workspace_path="/known"))
    for hash_, path in (("0" * 16, APP), (FILE[:-5], APP), ("2" * 16, "/known"), ("1" * 16, "/known")):
        stored.source(hash_, path)

    assert sorted(stored.texts()) == sorted([FILE, "1" * 16 + ".json"])


@pytest.mark.parametrize("path", ["../../x", "/etc/passwd\0", "", "~", "a/b", "x" * 5000, "<b>'; drop table sessions"])
def test_hostile_paths(stored, path):
    """No path and no name that the database holds becomes one on the disk."""
    stored.add(replace(SESSION, workspace_path=path), replace(SESSION, id="s2"))
    stored.source(path, path)
    stored.source(f"{'0' * 16}\0/../{path}", APP, source_path="sessions/2.json")
    stored.stood_in(f"sessions/{path}.json", "/0")
    stored.stood_in("sessions/2.json", "/0", "s2")

    assert set(stored.texts()) == {FILE, f"{workspace_hash(path)}.json"}
    assert set(stored.out.parent.iterdir()) == {stored.out, stored.path.parent}


# The folder


def test_private(stored):
    """Folder and files are for their owner alone, whatever the umask."""
    stored.add(SESSION)
    stored.out.mkdir(mode=0o755)
    umask = os.umask(0)
    try:
        stored.export()
    finally:
        os.umask(umask)

    assert stored.out.stat().st_mode & 0o777 == 0o700
    assert (stored.out / FILE).stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("there", ["out/note.txt", "out"])
def test_not_empty(stored, there):
    """A folder that holds anything is refused, and so is a file; both stay as they are."""
    stored.add(SESSION)
    occupied = stored.out.parent / there
    occupied.parent.mkdir(exist_ok=True)
    occupied.write_text("mine")

    with pytest.raises(SettingsError, match=r"out: it is not empty .*\. Name a new or an empty folder"):
        stored.export()

    assert occupied.read_text() == "mine"
    assert not stored.out.is_dir() or list(stored.out.iterdir()) == [occupied]


@pytest.mark.parametrize("inside", ["sessions", "sessions/new", "sessions/../sessions/a/b", "link", "link/new"])
@pytest.mark.parametrize("there", [True, False])
def test_editors_folder(stored, inside, there):
    """Nothing is ever written among the editor's own files, by whatever name they are called."""
    stored.add(SESSION)
    home = stored.path.parent
    (home / "link").symlink_to("sessions")
    if there:
        (home / "sessions").mkdir()
    stored.out = home / inside

    with pytest.raises(SettingsError, match="it lies where the editor keeps its own files"):
        stored.export()

    assert (home / "sessions").exists() == there
    assert not there or list((home / "sessions").iterdir()) == []


def test_editors_folder_in_another_case(stored, monkeypatch):
    """Nor where the disk takes another spelling for the same folder."""
    stored.add(SESSION)
    monkeypatch.setattr(Path, "samefile", lambda one, other: str(one).casefold() == str(other).casefold())
    for name in ("sessions", "Sessions"):
        (stored.path.parent / name).mkdir()
    stored.out = stored.path.parent / "Sessions" / "new"

    with pytest.raises(SettingsError, match="it lies where the editor keeps its own files"):
        stored.export()

    assert not stored.out.exists()


BAD = [
    ("update sessions set winner_id = -1", "winnerId"),
    ("update sessions set winner_id = 4294967296", "winnerId"),
    ("update sessions set total_duration = 'long'", "totalDuration"),
    ("update sessions set timeout_seconds = 1.5", "timeoutSeconds"),
    ("update sessions set runtime_mix = '{\"a\":1}'", "runtimeMix"),
    ("update sessions set runtime_mix = '" + "[" * 100_000 + "'", "runtimeMix"),
    ("update sessions set runtime_mix = '[\"\\ud800\"]'", "UTF-8"),
    ("update instances set lines_added = x'00'", "linesAdded"),
    ("update chat_messages set content = x'00'", "content"),
    ("update chat_messages set content = cast(x'7a7a7aff' as text)", "UTF-8"),
    ("update sessions set workspace_path = cast(x'ff' as text) where id = 's1'", "UTF-8"),
    ("update migration_residue set document = '{\"a\":}'", "residue"),
    ("update migration_residue set document = '[\"a\"]'", "residue"),
    ("update migration_residue set document = '{\"order\":1}' where entity = 'order'", "residue"),
    ("update migration_residue set document = '{}' where entity = 'order'", "residue"),
]


@pytest.mark.parametrize(("damage", "told"), BAD)
@pytest.mark.parametrize("made_before", [True, False])
def test_failure(stored, damage, told, made_before):
    """What the editor could not read stops the export in one sentence without the value; nothing half-written stays."""
    stored.add(replace(SESSION, id="s0", workspace_path="/a"), replace(SESSION, id="s2", workspace_path="/b"))
    stored.add(SESSION, INSTANCE, MESSAGE)
    stored.residue("session", "", "{}")
    stored.residue("order", "instances", '{"order":[1]}')
    stored.execute(damage)
    if made_before:
        stored.out.mkdir()

    with pytest.raises(DatabaseRefused, match=told) as raised:
        stored.export()

    assert "zzz" not in str(raised.value)
    assert stored.out.exists() == made_before
    assert not made_before or list(stored.out.iterdir()) == []


def test_disk_error(stored, monkeypatch):
    """An error of the disk is told in the family's words, and nothing stays either."""
    stored.add(SESSION, replace(SESSION, id="s2", workspace_path="/b"))

    def fail(handle: int) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "fsync", fail)

    with pytest.raises(HomeError, match=r"out: it cannot be used: Input/output error\."):
        stored.export()
    assert not stored.out.exists()


# The database


@pytest.mark.parametrize("what", ["nothing", "empty", "guide", "text"])
def test_no_database_of_the_kit(tmp_path, what):
    """Only a database with the kit's schema can be exported; any other is refused, and no folder made."""
    path = tmp_path / "sessions.db"
    if what == "guide":
        connection = sqlite3.connect(path)
        connection.execute("create table sessions (id TEXT PRIMARY KEY)")
        connection.close()
    elif what != "nothing":
        path.write_text("" if what == "empty" else "no database at all, but long enough to be taken for one" * 20)

    with pytest.raises(Ait42Error, match=r"sessions\.db: "):
        export_json(path, tmp_path / "out")

    assert not (tmp_path / "out").exists()


WRITER = """
import sqlite3, sys
with sqlite3.connect(sys.argv[1]) as connection:
    connection.execute("update sessions set task = 'later'")
connection.close()
"""


def write_meanwhile(monkeypatch: pytest.MonkeyPatch, path: Path) -> None:
    """Let another program write to the database in the middle of an export."""
    plan = export._plan

    def planned(connection):
        found = plan(connection)
        subprocess.run([sys.executable, "-c", WRITER, path], check=True)
        return found

    monkeypatch.setattr(export, "_plan", planned)


def test_database_in_use(stored, monkeypatch):
    """While others write, the export shows the database as it was at one moment, commits in its log included."""
    stored.add(SESSION)
    write_meanwhile(monkeypatch, stored.path)

    export_json(stored.path, stored.out)

    assert json.loads((stored.out / FILE).read_text())[0]["task"] == "認証"
    assert stored.connection.execute("select task from sessions").fetchone() == ("later",)


def test_opened_meanwhile(stored, monkeypatch):
    """A database that nobody had open is read without a lock: if somebody then writes, the export is not believed."""
    stored.add(SESSION)
    write_meanwhile(monkeypatch, stored.path)

    with pytest.raises(DatabaseLocked, match="another program has written to it meanwhile"):
        stored.export()
    assert not stored.out.exists()


def test_untouched(stored):
    """The database and its folder are as they were."""
    stored.add(SESSION)
    stored.connection.close()
    before = {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in stored.path.parent.iterdir()}

    stored.export()

    assert {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in stored.path.parent.iterdir()} == before


def test_memory(stored):
    """Memory does not grow with a session's messages."""
    stored.add(SESSION)
    stored.execute("""
        with recursive n (i) as (select 1 union all select i + 1 from n where i < 3000)
        insert into chat_messages select 'm' || i, 's1', null, 'user', printf('%.*c', 10000, 'x'), '' from n
    """)
    stored.connection.close()
    tracemalloc.start()
    try:
        exported = stored.export()
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert exported.totals["bytes"] > 30_000_000
    assert peak < 2_000_000


# There and back


def and_back(home, tmp_path: Path) -> list[str]:
    export_json(home.database, tmp_path / "out")
    return oracle.compare_export(home.path, tmp_path / "out")


def test_sample_home(home, tmp_path):
    """A home as homes are, migrated and exported, is the home again."""
    home.path.joinpath("sessions").rmdir()
    samples.write_mapping(samples.write_home(home.path, sessions=60, files=5, messages_per_session=6, broken=True))

    home.migrate()

    assert and_back(home, tmp_path) == []


def test_same_bytes(home, tmp_path):
    """A file that holds nothing but what the editor writes today comes back in the same bytes."""
    home.path.joinpath("sessions").rmdir()
    samples.write_mapping(samples.write_home(home.path, sessions=9, files=2, messages_per_session=6, anomalies=False))
    originals = {}
    for file in home.path.joinpath("sessions").iterdir():
        text = file.read_text().replace('"preserveWorktrees": null', '"preserveWorktrees": false')
        file.write_text(text)
        originals[file.name] = text

    home.migrate()
    export_json(home.database, tmp_path / "out")

    assert {file.name: file.read_text() for file in (tmp_path / "out").iterdir()} == originals


def test_odd_home(home, tmp_path):
    """All that the columns cannot say comes back: numbers too large, unknown keys, repeats and their order, own ids."""
    first, second = samples.instance(instanceId=1), samples.instance(instanceId=0, codeComplexity=1)
    hello, world = samples.message(id="m", extra={"b": [None, "\0"]}), samples.message(id="m", content="world")
    strange = samples.message(id='n\0"é', instanceId=7)
    odd = samples.session(
        id="odd",
        instances=[first, second, first],
        chatHistory=[hello, world, hello, strange, world, strange],
        winnerId=2**32 - 1,
        totalDuration=2**64 - 1,
        runtimeMix=["claude", "\0\\"],
        evaluation={"score": [1.5, {}]},
    )
    bare = {key: odd[key] for key in ("id", "type", "task", "status", "createdAt", "updatedAt")}
    late = bare | {"id": "late", "chatHistory": [hello]}
    home.write(APP, [odd, odd | {"task": "shadow"}, bare | {"id": "bare"}, late])
    home.write("/home/aki/仕事", [odd | {"id": "other", "instances": None, "createdAt": "2020-01-01T00:00:00Z"}])
    raw = '"raw": [1e2, 1.10, -0, 123456789012345678901234567890, "\\ud800"]'
    home.write("/b", samples.dumps([samples.session(id="raw")]).replace('"model": null', f'"model": null, {raw}'))

    home.migrate()

    assert and_back(home, tmp_path) == []
    assert raw in (tmp_path / "out" / f"{workspace_hash('/b')}.json").read_text()
