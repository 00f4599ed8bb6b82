"""Every rule that a record breaks, found at once. Each rule by itself: see the examples."""

from __future__ import annotations

import json

import duckdb
import pytest

from ait42nb import check
from ait42nb import engine as duck
from ait42nb.check import KEYS, RULES, kind_of, straighten
from ait42nb.samples import instance, message, session

APP = "/home/aki/app"


def why(home) -> list[str]:
    """What is wrong with the one record that is held."""
    ((detail,),) = home.rows("select detail from migration_rejects where entity = 'session'")
    return [f"{told['reason']} {told['pointer']}" for told in json.loads(detail)]


def test_the_known_keys_are_the_editors():
    """In the order in which it writes them."""
    for entity, written in (("session", session()), ("instance", instance()), ("message", message())):
        assert list(KEYS[entity]) == list(written)


def test_every_rule_is_a_file_with_the_same_columns(tmp_path):
    """Those of `violations`: so the file says, and so it selects."""
    with duckdb.connect() as engine:
        for table in ("objects", "members"):
            check.Lines(tmp_path / f"{table}.ndjson").load(engine)
        duck.make(engine, "check/fields")
        duck.run(engine, "check/violations")
        for rule in RULES:
            duck.make(engine, f"check/rules/{rule}")
            assert sorted(engine.table(rule).columns) == sorted(engine.table("violations").columns)
            assert f"out: {', '.join(engine.table('violations').columns)}\n" in duck.sql(f"check/rules/{rule}")


def one_changed(entity: str, key: str, name: str, value: object = ...) -> dict:
    """A session in which one key, of its own or of its only instance or message, has another value, or none."""
    if entity == "session":
        record = changed = session(id=name)
    else:
        changed = {"instance": instance, "message": message}[entity](**({"id": name} if entity == "message" else {}))
        record = session(id=name, **{"instances" if entity == "instance" else "chatHistory": [changed]})
    changed[key] = value
    if value is ...:
        del changed[key]
    return record


@pytest.mark.parametrize("entity", KEYS)
def test_every_key_with_every_kind_of_value(home, entity: str):
    """What is held, and for what, is what the oracle says; what goes in is what stands in the source."""
    values = [7, -7, 1.5, True, "text", [], ["a"], [1], {}, 2**31, 2**32, 2**63, 2**65, None, ...]
    pairs = [(key, value) for key in KEYS[entity] for value in values]
    home.write(APP, [one_changed(entity, key, f"s{n}", value) for n, (key, value) in enumerate(pairs)])

    home.migrate()

    required = home.rows("select count(*) from migration_rejects where reason = 'missing_field'")
    assert required == [(2 * {"session": 6, "instance": 6, "message": 4}[entity],)]


def test_violations_come_in_the_order_of_the_rules(home):
    """The first is the reason; within a rule by place."""
    home.write(APP, [session(status="odd", winnerId=-1, task=None, type=1, instances=[instance(branch=2), None])])
    home.migrate()
    assert why(home) == [
        "not_an_object /0/instances/1",
        "missing_field /0/task",
        "wrong_type /0/instances/0/branch",
        "wrong_type /0/type",
        "out_of_range /0/winnerId",
        "invalid_status /0/status",
    ]


def test_pointers_are_rfc_6901(home):
    """~ and / in a key are written ~0 and ~1, and lead to the value again."""
    text = json.dumps([session()])[:-2] + ', "a/b~c": 1, "a\\u002fb~c": 2, "": 1, "": 2}]'
    home.write(APP, text)
    home.migrate()
    assert why(home) == ["duplicate_key /0/", "duplicate_key /0/a~1b~0c"]


def test_the_first_of_a_doubled_key_is_checked(home):
    """The later one gets no violation of its own."""
    text = json.dumps([session(task=1)])[:-2] + ', "task": 2, "task": null}]'
    home.write(APP, text)
    home.migrate()
    assert why(home) == ["duplicate_key /0/task", "wrong_type /0/task"]


def test_equal_but_for_how_a_number_is_written(home):
    """Unknown keys included: 1 and 1.0 are two, and a million digits are no trouble."""
    digits = "9" * 10_000
    texts = (1, "@1.0", True, f"@{digits}", "@1e0", 1)
    chat = [message(id="m", votes=votes) for votes in texts]
    text = json.dumps([session(chatHistory=chat)])
    for votes in texts:
        if isinstance(votes, str):
            text = text.replace(f'"{votes}"', votes[1:])
    home.write(APP, text)
    summary = home.migrate()
    assert summary["balance"]["messages"] | {"inserted": 5, "shadowed": 1} == summary["balance"]["messages"]


def test_equal_but_for_a_key_that_stands_twice_inside(home):
    """Inside unknown values a doubled key is none of the rules' business, but makes two records different."""
    chat = [message(id="m", extra="@1"), message(id="m", extra="@2")]
    text = json.dumps([session(chatHistory=chat)]).replace('"@1"', '{"a": 1, "a": 2}').replace('"@2"', '{"a": 2}')
    home.write(APP, text)
    assert home.migrate()["balance"]["messages"]["inserted"] == 2


def test_a_record_that_only_looks_odd_is_straightened():
    """Written as the editor would have written it; what the columns cannot say goes beside it."""
    text = '{"id": "s", "Type": 1, "timeoutSeconds": 3000000000, "instances": null}'
    straight = straighten(text)
    assert straight.claims == "s"
    assert json.loads(straight.document)["timeoutSeconds"] is None
    assert list(json.loads(straight.document)) == [k for k in KEYS["session"] if k not in KEYS["session"][1:6]]
    assert straight.residue == [
        {"entity": "session", "position": 0, "document": '{"Type":1,"timeoutSeconds":3000000000}'}
    ]
    assert straight.notes == ["exceeds_reader_type", "missing_list", "missing_list"]


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        ("0", "integer"), ("10", "integer"), ("-1", "negative"), ("-0", "number"), ("1.0", "number"), ("1e0", "number"),
        ('"a"', "string"), ("[]", "strings"), ('["a"]', "strings"), ('["a", 1]', "list"), ("{}", "object"),
        ("true", "boolean"), ("false", "boolean"), ("null", "null"),
    ],
)  # fmt: skip
def test_kinds(value: str, kind: str):
    """As the rules name them: -0, 1.0 and 1e0 are numbers, but no integers."""
    assert kind_of(value) == kind


def test_a_session_is_held_whole_and_alone(home):
    """One bad message holds its session; the sessions beside it go in (invariant 7)."""
    chat = [message(id="m1"), message(id="m2", role=None), message(id="m3")]
    home.write(APP, [session(id="a"), session(id="b", chatHistory=chat, instances=[instance()]), session(id="c")])
    home.migrate()
    assert home.rows("select id from sessions") == [("a",), ("c",)]
    assert home.rows("select key, instances, messages from migration_rejects") == [("b", 1, 3)]
    assert check.Checked(1, 1, {"missing_field": 1}) == home.run(dry_run=True, reread=True).get(check.Checked)
