"""Whose id it is. The rules one by one: see the examples; here, what they must not depend on."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing

import pytest

from ait42nb.resolve import Resolved
from ait42nb.samples import instance, message, session

T = "2025-11-01T09:00:00.000Z"


def test_on_a_tie_the_folder_that_exists_wins(home, tmp_path):
    """A project was copied and the original removed: its history belongs where one can go on."""
    here, gone = tmp_path / "zz-here", "/aa/gone"
    here.mkdir()
    for workspace in (gone, str(here)):
        home.write(workspace, [session(id="s", createdAt=T, updatedAt=T)])
    home.migrate()
    assert home.rows("select workspace_path from sessions") == [(str(here),)]


def test_a_time_that_cannot_be_read_loses(home):
    """Against any that can, however old; and of two unreadable ones the later birth wins."""
    home.write("/a", [session(id="s", updatedAt="9999"), session(id="t", updatedAt="x", createdAt=T)])
    home.write("/b", [session(id="s", updatedAt="0001-01-01T00:00:00Z"), session(id="t", updatedAt="y", createdAt="y")])
    home.migrate()
    assert sorted(home.rows("select id, workspace_path from sessions")) == [("s", "/b"), ("t", "/a")]


def test_a_held_record_supersedes_nobody(home):
    """The latest copy is broken: the one in order is stored."""
    home.write("/a", [session(id="s", task="good", updatedAt=T)])
    home.write("/b", [session(id="s", status="odd", updatedAt="2025-12-01T09:00:00.000Z")])
    home.migrate()
    assert home.rows("select task from sessions") == [("good",)]
    assert home.rows("select reason from migration_rejects") == [("invalid_status",)]


def test_an_unmapped_file_supersedes_nobody(home):
    home.write("/a", [session(id="s", task="mapped", updatedAt=T)])
    home.write("/b", [session(id="s", updatedAt="2025-12-01T09:00:00.000Z")], mapped=False)
    home.migrate()
    assert home.rows("select task from sessions") == [("mapped",)]


def test_ids_compare_to_the_letter(home):
    """Case, blanks and composition make two; SQLite compares bytes."""
    ids = ["s", "S", "s ", "é", "e\u0301", "", "\0", "'", "s\0x"]
    home.write("/a", [session(id=id_, chatHistory=[message(id=id_)]) for id_ in ids])
    summary = home.migrate()
    assert summary["balance"]["sessions"]["inserted"] == summary["balance"]["messages"]["inserted"] == len(ids)


def test_who_keeps_a_message_id_does_not_depend_on_files(home):
    """The earliest session keeps it, also when it stands last in the last file; on a tie the smallest id, as bytes."""
    home.write("/a", [session(id="late", createdAt="2025-11-01T10:00:00Z", chatHistory=[message(id="m")])])
    home.write("/b", [session(id="Z", createdAt="2025-11-01T18:00:00+09:00", chatHistory=[message(id="m")])])
    home.write("/c", [session(id="a", createdAt="2025-11-01T09:00:00.000Z", chatHistory=[message(id="m")])])
    home.migrate()
    assert sorted(home.rows("select session_id, id from chat_messages")) == [
        ("Z", "m"),
        ("a", "m@a"),
        ("late", "m@late"),
    ]


def test_derived_ids_make_way_for_own_ones(home):
    """Whatever chain of ~ a hostile history sets up, no message overwrites another."""
    own = ["m", "m@b", "m@b~", "m@b~~", "m@b#2", "m@b#2~"]
    home.write(
        "/a",
        [
            session(id="a", createdAt="2025-01-01T00:00:00Z", chatHistory=[message(id=i, content=i) for i in own]),
            session(id="b", chatHistory=[message(id="m", content="1"), message(id="m", content="2")]),
            session(id="b~", createdAt="2026-01-01T00:00:00Z", chatHistory=[message(id="m", content="3")]),
        ],
    )
    home.migrate()
    stored = dict(home.rows("select content, id from chat_messages"))
    assert {text: id_ for text, id_ in stored.items() if text in own} == {text: text for text in own}
    assert [stored[n] for n in "123"] == ["m@b~~~", "m@b#2~~", "m@b~~~~"]


def test_a_reference_is_to_ones_own_instance(home):
    """Every session has an instance 1; repeats of it are one."""
    twins = [instance(instanceId=1), instance(instanceId=1)]
    records = [session(id=i, instances=twins, chatHistory=[message(id=f"m{i}", instanceId=1)]) for i in "abc"]
    home.write("/a", records)
    home.migrate()
    assert home.rows(
        "select m.id, i.session_id from chat_messages m join instances i on i.id = instance_id_ref order by 1"
    ) == [("ma", "a"), ("mb", "b"), ("mc", "c")]


def test_a_message_of_a_shadow_keeps_nobody_from_an_id(home):
    """What stands aside has no say."""
    home.write(
        "/a",
        [
            session(id="s", createdAt="2025-01-02T00:00:00Z", chatHistory=[message(id="m", content="live")]),
            session(id="s", createdAt="2025-01-01T00:00:00Z", chatHistory=[message(id="m", content="shadow")]),
            session(id="held", status="odd", createdAt="2025-01-01T00:00:00Z", chatHistory=[message(id="m")]),
        ],
    )
    home.migrate()
    assert home.rows("select id, content from chat_messages") == [("m", "live")]


def test_the_same_input_gives_the_same_ids(home):
    """Whatever DuckDB's threads do."""
    for number in range(6):
        records = [
            session(id=f"s{number}-{n}", chatHistory=[message(id=f"m{k % 5}", content=f"{k}") for k in range(12)])
            for n in range(8)
        ]
        home.write(f"/w/{number}", records)
    content = "select id, session_id, content from chat_messages order by rowid"
    home.migrate()
    first = home.rows(content)
    home.forget()
    home.migrate()
    assert home.rows(content) == first


def test_counts(home):
    """What the notebook tells of this step."""
    home.write("/a", [session(id="s"), session(id="s"), session(id="t", status="odd"), session(id="u", type="odd")])
    found = home.run(dry_run=True).get(Resolved)
    assert (found.accepted, found.shadowed, found.held, found.renamed_messages) == (2, 1, 1, 0)
    assert found.warnings == {"unknown_type": 1}


@pytest.mark.parametrize("times", [1, 3])
def test_warnings_are_of_what_goes_in(home, times: int):
    """One an occurrence; what is held, stands aside or only repeats warns of nothing."""
    odd = {"type": "odd", "instances": [instance(runtime="odd")], "chatHistory": [message(id="m", role="odd")] * times}
    home.write("/a", [session(id="s", **odd), session(id="s", **odd), session(id="t", status="odd", **odd)])
    home.write("/b", json.dumps([session(id="s", updatedAt="2020-01-01T00:00:00Z", **odd)]))
    assert home.migrate()["warnings"] == {"unknown_role": 1, "unknown_runtime": 1, "unknown_type": 1}


@pytest.mark.parametrize("stored", ["m@b", "m~"], ids=["as a run stores it", "as a merge does where it is taken"])
def test_an_own_id_under_which_another_message_is_stored_already(home, stored: str):
    """In a second run, of the same session: who has it keeps it, and the newcomer gets another."""
    first = session(id="a", createdAt="2025-01-01T00:00:00Z", chatHistory=[message(id="m", content="first")])
    second = session(id="b", chatHistory=[message(id="m", content="second")])
    home.write("/a", [first, second])
    home.migrate()
    with closing(sqlite3.connect(home.database)) as connection, connection:
        connection.execute("update chat_messages set id = ? where id = 'm@b'", (stored,))
        connection.execute("update migration_residue set key = ? where key = 'm@b'", (stored,))
    second["chatHistory"].append(message(id=stored, content="newcomer"))
    home.write("/a", [first, second])
    for _ in range(2):
        assert home.run(reread=True).failure is None
        found = {content: id_ for id_, content in home.rows("select id, content from chat_messages")}
        assert found == {"first": "m", "second": stored, "newcomer": f"{stored}@b"}
