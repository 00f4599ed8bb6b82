"""The staging database: what is written of what goes in and of what does not."""

from __future__ import annotations

import json
import stat

import pytest

from ait42nb import stage
from ait42nb.pipeline import STAGES, start
from ait42nb.samples import dumps, instance, message, session
from ait42nb.stage import Staged, stage_database
from ait42nb.verify import verify_database

APP = "/home/aki/app"
TEXTS = [
    "", " ", "\0", "a\0b", "\u001b[31m", "\r\n\t\x7f", "'; drop table sessions; --", "{}", "null", "1", "1.0",
    "é e\u0301", "🎤\U0010ffff", "\ufeff", "\u2028/", "<script>", "%s {x}", "\\", '"', "x" * 100_000,
]  # fmt: skip
TIMES = ("createdAt", "updatedAt", "completedAt")


def made_of(text: str, name: str, **more: object) -> dict:
    """A session that says the same everywhere."""
    chat = [message(id=f"m{name}", role=text, content=text, timestamp=text)]
    numbers = ("instanceId", "filesChanged", "linesAdded", "linesDeleted")
    instances = [instance(**{key: text for key in instance() if key not in numbers})]
    texts = dict.fromkeys(("type", "task", "model", *TIMES), text) | {"runtimeMix": [text, text]}
    return session(id=name, instances=instances, chatHistory=chat, **texts, **more)


@pytest.mark.parametrize("odd", [{}, {"evaluation": 1}], ids=["in bulk", "one by one"])
def test_text_is_stored_exactly_as_it_is(home, odd: dict):
    """Whatever it is made of, in every text column; the types of columns change nothing."""
    home.write(APP, [made_of(text, f"s{n}", **odd) for n, text in enumerate(TEXTS)])
    home.migrate()
    sessions = home.rows("select task, created_at, model, runtime_mix from sessions order by rowid")
    assert [(*row[:3], json.loads(row[3])) for row in sessions] == [(text, text, text, [text, text]) for text in TEXTS]
    assert home.rows("select output, runtime_label, typeof(status) from instances order by id") == [
        (text, text, "text") for text in TEXTS
    ]
    assert [content for (content,) in home.rows("select content from chat_messages order by rowid")] == TEXTS


def test_rows_stand_in_the_order_of_their_lists(home):
    """Which rowids then show (invariant 3), also for numbers and ids that sort otherwise."""
    instances = [instance(instanceId=n) for n in (3, 1, 10, 2, 0)]
    home.write(
        APP,
        [session(id=s, instances=instances, chatHistory=[message(id=f"{m}{s}") for m in "zbQa1"]) for s in "ba"],
    )
    home.migrate()
    assert home.rows("select id from sessions order by rowid") == [("b",), ("a",)]
    stored = home.rows("select instance_id from instances where session_id = 'a' order by id")
    assert [n for (n,) in stored] == [3, 1, 10, 2, 0]
    stored = home.rows("select id from chat_messages where session_id = 'a' order by rowid")
    assert [i for (i,) in stored] == ["za", "ba", "Qa", "aa", "1a"]


@pytest.fixture
def staged(home, request: pytest.FixtureRequest):
    """A run that came as far as its staging file."""

    def until(last) -> object:
        run = start(ait42_home=str(home.path), dry_run=False, backup=False)
        request.addfinalizer(run.close)
        for each in STAGES[: STAGES.index(last) + 1]:
            run.step(each)
        return run

    return until


def test_the_staging_file_is_private_and_beside_its_target(home, staged):
    """Nobody else can read the chats meanwhile, and publishing is a rename."""
    home.write(APP, [session()])
    run = staged(stage_database)
    path = run.get(Staged).path
    assert path.parent.parent == home.path
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert not home.database.exists()


def test_everything_that_makes_the_database_quick_and_correct_is_there(home, staged):
    """Indexes, triggers and the search index, which the bulk load goes without."""
    home.write(APP, [session(task="三文字の検索", instances=[instance()], chatHistory=[message()])])
    home.migrate()
    kinds = dict(home.rows("select type, count(*) from sqlite_master where sql is not null group by type"))
    home.forget()
    home.write(APP, [])
    home.migrate()
    assert dict(home.rows("select type, count(*) from sqlite_master where sql is not null group by type")) == kinds
    assert kinds["trigger"] > 10


def test_a_task_is_found(home):
    """By three characters of any script."""
    home.write(APP, [session(id="s", task="三文字の検索"), session(id="t")])
    home.migrate()
    assert home.rows("select count(*) from sessions_fts where sessions_fts match '文字の'") == [(1,)]


def test_what_is_held_says_what_it_is(home, staged):
    """One row a file or record, in the order of the files; what stands aside is no concern of a person's."""
    home.write(APP, [session(id="s"), session(id="s"), session(id="t", status="odd", chatHistory=[message()])])
    home.put("zz.json", "{}")
    held = staged(stage_database).get(Staged).held
    assert [(str(h).split(": ")[1], h.entity, h.key, h.messages) for h in held] == [
        ("not_an_array", "file", None, 0),
        ("invalid_status", "session", "t", 1),
    ]


def test_a_file_too_large_to_be_kept_twice(home, monkeypatch: pytest.MonkeyPatch):
    """Its text stays where it is; a record's is kept at any size."""
    monkeypatch.setattr(stage, "LARGEST_DOCUMENT", 100)
    home.write(APP, "x" * 101)
    home.write("/b", [session(status="odd")])
    home.run()
    assert home.rows("select entity, document is null from migration_rejects order by 1") == [
        ("file", 1),
        ("session", 0),
    ]


def test_every_code_has_words(home):
    """No code is told without what it means."""
    home.write(APP, [session(id="s"), session(id="s", status="odd"), None])
    home.write("/b", [], mapped=False)
    home.migrate()
    for (detail,) in home.rows("select detail from migration_rejects"):
        for told in json.loads(detail):
            assert told["detail"].strip(), told
            assert set(told) >= {"reason", "entity", "pointer", "detail"}


def test_the_ledger_knows_each_session_that_went_in(home):
    """Where it stands and what it was, whatever becomes of it later."""
    file = home.write(APP, [session(id="s"), None, session(id="t", evaluation=1), session(id="u", status="odd")])
    home.migrate()
    assert home.rows("select session_id, source_path, pointer from migration_ledger order by rowid") == [
        ("s", f"sessions/{file.name}", "/0"),
        ("t", f"sessions/{file.name}", "/2"),
    ]


def test_the_staging_file_is_what_is_published(home, staged):
    """Verified, then moved: not written again but for the books."""
    home.write(APP, dumps([session(id=f"s{n}") for n in range(3)]))
    run = staged(verify_database)
    inode = run.get(Staged).path.stat().st_ino
    for each in STAGES[STAGES.index(verify_database) + 1 :]:
        run.step(each)
    assert run.failure is None
    assert home.database.stat().st_ino == inode
    assert stat.S_IMODE(home.database.stat().st_mode) == 0o600
