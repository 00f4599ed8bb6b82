"""sessions.db through the editor's own library, sqlx: the guide's pool, rows and queries, compiled."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing

import pytest
from conftest import EditorFailed

from ait42nb import database, publish, samples
from ait42nb.adopt import adopt_database
from ait42nb.merge import Reconciled

APP = "/home/aki/src/app"
VERSIONS = [migration.version for migration in database.migrations()]


def stored(home, workspace):
    """What the editor has to show of a workspace, asked with the standard library's SQLite."""
    with closing(sqlite3.connect(home.database)) as connection:
        connection.row_factory = lambda cursor, row: dict(zip([c for c, *_ in cursor.description], row, strict=True))

        def rows(query, parameter):
            return connection.execute(query, (parameter,)).fetchall()

        return [
            {
                "session": session,
                "instances": rows("select * from instances where session_id = ? order by instance_id", session["id"]),
                "messages": rows("select * from chat_messages where session_id = ? order by id", session["id"]),
            }
            for session in rows("select * from sessions where workspace_path = ? order by id", workspace)
        ]


def shown(editor, home, workspace):
    """The same as the editor shows it; where its queries leave the order open, by id."""
    sessions = editor("read", home.database, workspace)
    times = [entry["session"]["created_at"] for entry in sessions]
    assert times == sorted(times, reverse=True)
    for entry in sessions:
        times = [message["timestamp"] for message in entry["messages"]]
        assert times == sorted(times)
        entry["messages"].sort(key=lambda message: message["id"])
    return sorted(sessions, key=lambda entry: entry["session"]["id"])


# Opening


def test_nothing_to_apply(home, editor):
    """To sqlx a database of the kit's is up to date, checksums included; opening it changes no row."""
    home.write(APP, [samples.session()])
    home.migrate()
    before = home.rows("select * from _sqlx_migrations")

    assert editor("migrate", home.database) == VERSIONS

    assert home.rows("select * from _sqlx_migrations") == before


def test_changed_migration_is_noticed(home, editor):
    """The checksums are compared indeed."""
    database.connect(home.database).close()
    with closing(sqlite3.connect(home.database)) as connection:
        connection.execute("update _sqlx_migrations set checksum = x'00' where version = ?", VERSIONS[:1])
        connection.commit()
    with pytest.raises(EditorFailed, match=str(VERSIONS[0])):
        editor("migrate", home.database)


def test_database_that_the_editor_made(home, editor):
    """The kit's migrations, applied by sqlx, give the kit's database, record by record."""
    assert editor("migrate", home.database) == VERSIONS
    assert database.inspect_database(home.database).kind == "ours"
    made = home.path / "made.db"
    database.connect(made).close()
    with closing(sqlite3.connect(made)) as connection:
        for query in (
            "select * from sqlite_master",
            "select version, description, success, checksum from _sqlx_migrations",
        ):
            assert in_words(home.rows(query)) == in_words(connection.execute(query).fetchall())


def in_words(rows):
    """Whatever the order of the rows, or the blanks in a statement; not on which page a table begins."""
    return sorted([str(value).split() for value in row if not isinstance(value, int)] for row in rows)


# Reading


def test_every_session_is_read(home, editor):
    """Every value of every row, in a home as homes are (A1 to A9)."""
    sample = samples.write_home(home.path, sessions=60, files=5)
    samples.write_mapping(sample)
    home.migrate()

    for workspace in sample.mapping.values():
        assert shown(editor, home, workspace) == stored(home, workspace) != []


def test_session_as_it_stood_in_json(home, editor):
    """From the one file to the other program: text, numbers, lists and references."""
    chat = [
        samples.message(content="認証\r\n\x1b[1m基盤 👍🏽\0"),
        samples.message(id="m2", role="system", instanceId=None),
    ]
    session = samples.session(
        task="ログインを直す",
        timeoutSeconds=2**31 - 1,
        totalDuration=2**63 - 1,
        preserveWorktrees=True,
        runtimeMix=["claude", "ジェミニ"],
        instances=[samples.instance(output="\\u0000 is no NUL", linesAdded=0)],
        chatHistory=[chat[0] | {"instanceId": 1}, chat[1]],
    )
    home.write(APP, [session])
    home.migrate()

    ((entry,),) = [editor("read", home.database, APP)]

    row, (instance,), messages = entry["session"], entry["instances"], entry["messages"]
    assert (row["task"], row["timeout_seconds"], row["total_duration"]) == ("ログインを直す", 2**31 - 1, 2**63 - 1)
    assert (row["preserve_worktrees"], row["runtime_mix"]) == (1, '["claude","ジェミニ"]')
    assert (row["instance_count"], row["message_count"], row["created_at"]) == (1, 2, session["createdAt"])
    assert (instance["output"], instance["lines_added"]) == ("\\u0000 is no NUL", 0)
    assert {m["content"] for m in messages} == {m["content"] for m in session["chatHistory"]}
    assert {m["id"]: m["instance_id_ref"] for m in messages} == {chat[0]["id"]: instance["id"], "m2": None}


def test_search(home, editor):
    """The kit's query, in the editor: Japanese, short words, messages too."""
    home.write(
        APP,
        [
            samples.session(id="s1", task="認証基盤を直す"),
            samples.session(id="s2", chatHistory=[samples.message(content="東京都の認証")]),
            samples.session(id="s3", task="nothing"),
        ],
    )
    home.migrate()
    for query, expected in {"認証基盤": ["s1"], "認証": ["s1", "s2"], "東京 refresh": ["s2"], "none": []}.items():
        assert sorted(row["id"] for row in editor("search", home.database, APP, query)) == expected


NUMBERS = {
    "sessions": ("timeout_seconds", "winner_id", "total_files_changed", "total_lines_added", "total_lines_deleted"),
    "instances": ("files_changed", "lines_added", "lines_deleted"),
}


def test_numbers_beyond_the_readers_type_hide_nothing(home, editor):
    """They go to residue (exceeds_reader_type), and the editor shows the session and all others of the workspace."""
    large = 2**32 - 1
    session = samples.session(
        id="large",
        timeoutSeconds=large,
        winnerId=large,
        totalFilesChanged=large,
        totalLinesAdded=large,
        totalLinesDeleted=large,
        totalDuration=2**64 - 1,
        instances=[samples.instance(filesChanged=large, linesAdded=large, linesDeleted=large)],
    )
    home.write(APP, [session, samples.session(id="small")])

    summary = home.migrate()

    assert summary["warnings"] == {"exceeds_reader_type": 9}
    entries = {entry["session"]["id"]: entry for entry in editor("read", home.database, APP)}
    assert set(entries) == {"large", "small"}
    assert {entries["large"]["session"][column] for column in (*NUMBERS["sessions"], "total_duration")} == {None}
    assert {entries["large"]["instances"][0][column] for column in NUMBERS["instances"]} == {None}


@pytest.mark.parametrize(("table", "column"), [(t, c) for t, columns in NUMBERS.items() for c in columns])
def test_a_raw_larger_number_would_hide_the_workspace(home, editor, table, column):
    """Why such a value does not stay in its column: sqlx fails over it, and with it the whole query."""
    home.write(APP, [samples.session(id="s1", instances=[samples.instance()]), samples.session(id="s2")])
    home.migrate()
    with closing(database.connect(home.database)) as connection:
        connection.execute(f"update {table} set {column} = 4294967295 where rowid = 1")  # noqa: S608, names of ours
    with pytest.raises(EditorFailed, match=f"ColumnDecode.*{column}.*TryFromIntError"):
        editor("read", home.database, APP)


# Writing


def test_editor_writes_into_the_kits_database(home, editor):
    """Upserts and messages arrive; the triggers count and index what an editor without them writes."""
    home.write(APP, [samples.session(id="s1"), samples.session(id="s2", createdAt="2020-01-01T00:00:00.000Z")])
    home.migrate()

    with editor.writing(home.database, APP) as written:
        pass

    assert written["rounds"] >= 1
    assert home.rows("select id, status from sessions where id = 's1'") == [("s1", "paused")]
    with closing(database.connect(home.database)) as connection:
        assert database.validate(connection).is_valid
        counts = "select sum(instance_count), sum(message_count) from sessions"
        assert connection.execute(counts).fetchone() == (min(written["rounds"], 2), written["rounds"])


def test_database_of_an_editor_that_knows_no_kit(home, editor):
    """Made by migrations of its own, with a search index that an older SQLite cannot drop: adopted, then as ours."""
    with editor.writing(home.database, APP, "write-own") as written:
        pass
    assert database.inspect_database(home.database).kind == "guide"
    before = home.rows("select id, session_id, instance_id_ref, content from chat_messages")

    adopt_database(home.database)

    assert home.rows("select id, session_id, instance_id_ref, content from chat_messages") == before
    assert editor("migrate", home.database) == VERSIONS
    (entry,) = shown(editor, home, APP)
    assert [entry] == stored(home, APP)
    assert (entry["session"]["message_count"], entry["session"]["total_duration"]) == (written["rounds"], 2**63 - 1)
    assert [row["id"] for row in editor("search", home.database, APP, "エディタ")] == ["by-the-editor"]
    with pytest.raises(EditorFailed, match=rf"VersionMissing\({VERSIONS[0]}\)"):
        editor("migrate-own", home.database)


# Beside the kit


def test_kit_merges_into_the_editors_database(home, editor):
    """Made empty by sqlx, or in use already."""
    with editor.writing(home.database, APP) as written:
        pass
    home.write(APP, [samples.session(id="s1", chatHistory=[samples.message()])])

    run = home.run()

    assert run.failure is None
    assert editor("migrate", home.database) == VERSIONS
    entries = {entry["session"]["id"]: entry for entry in editor("read", home.database, APP)}
    assert {id_: entry["session"]["message_count"] for id_, entry in entries.items()} == {
        "by-the-editor": written["rounds"],
        "s1": 1,
    }


def test_editor_writes_all_through_a_merge(home, editor, monkeypatch: pytest.MonkeyPatch):
    """Thousands of messages come in; the editor never waits until its library gives up; what both wrote stands."""
    # So that it is several locks on a fast machine too.
    monkeypatch.setattr(publish, "SLICE_SECONDS", 0.1)
    sample = samples.write_home(home.path, sessions=400, files=4, messages_per_session=60, anomalies=False)
    samples.write_mapping(sample)
    first, *rest = sorted((home.path / "sessions").iterdir())
    for file in rest:
        file.rename(home.path / file.name)
    home.migrate()
    for file in rest:
        (home.path / file.name).rename(file)
    workspace = sample.mapping[first.stem]
    # the editor's sessions change in JSON too, in another column
    sessions = json.loads(first.read_text())
    first.write_text(samples.dumps([session | {"model": "opus"} for session in sessions]))

    with editor.writing(home.database, workspace) as written:
        merged = home.run()
    again = home.run()

    assert (merged.failure, again.failure) == (None, None)
    assert merged.get(Reconciled).effect.slices > 1
    assert written["longest_ms"] < 4000
    messages = {m["id"] for entry in editor("read", home.database, workspace) for m in entry["messages"]}
    assert {f"editor-{n}" for n in range(written["rounds"])} <= messages
    assert home.rows("select count(*) from sessions") == [(400,)]
    touched = min(written["rounds"], len(sessions))
    query = "select count(*), count(iif(model = 'opus', 1, null)) from sessions where updated_at like '2030-%'"
    assert home.rows(query) == [(touched, touched)]
    with closing(database.connect(home.database)) as connection:
        assert database.validate(connection).is_valid
