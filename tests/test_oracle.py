"""The oracle itself: small homes and databases written by hand, with what must come out written by hand as well."""

from __future__ import annotations

import hashlib
import json
import sqlite3
import unicodedata
from pathlib import Path

import oracle
import pytest

APP = "/srv/aki/app"
MIGRATIONS = Path(__file__).parents[1] / "ait42nb" / "migrations"


def session(**members):
    """A session in order; a member given as None is null."""
    return {
        "id": "s1", "type": "debate", "task": "t", "status": "paused",
        "createdAt": "2025-11-01T09:00:00.000Z", "updatedAt": "2025-11-01T09:00:00.000Z",
        "instances": [], "chatHistory": [],
    } | members  # fmt: skip


def instance(number=0, **members):
    return {
        "instanceId": number, "worktreePath": "/tmp/w", "branch": "b", "agentName": "a", "status": "idle",
        "tmuxSessionId": "x",
    } | members  # fmt: skip


def message(key="m1", **members):
    return {"id": key, "role": "user", "content": "c", "timestamp": "2025-11-01T09:00:00Z"} | members


def written(members):
    """The text of a session in order, with members that Python would write in another way."""
    return f"{json.dumps(session())[:-1]}, {members}}}"


def name_of(workspace):
    return hashlib.sha256(workspace.encode()).hexdigest()[:16]


def write(home, content, workspace=APP, mapped=True):
    """One file of a home, named for its workspace; returns its source path."""
    (home / "sessions").mkdir(parents=True, exist_ok=True)
    path = home / "sessions" / f"{name_of(workspace)}.json"
    if isinstance(content, list):
        content = json.dumps(content, ensure_ascii=False, indent=2)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    if mapped:
        mapping = home / "workspace_mapping.json"
        known = json.loads(mapping.read_text()) if mapping.exists() else {}
        mapping.write_text(json.dumps(known | {name_of(workspace): workspace}))
    return f"sessions/{path.name}"


def reasons(expected):
    """{(source_path, pointer): reason}, the sources by the order of their names."""
    return {key: row["reason"] for key, row in expected.rejects.items()}


def nonzero(books):
    return {entity: {page: count for page, count in pages.items() if count} for entity, pages in books.items()}


# ── JSON ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("text", ["[]", " [1.10e+5, -0] ", r'["\ud800"]', '{"a": 1, "a": 2}', '"\u2028"', "null"])
def test_json(text):
    """Strict JSON allows lone surrogate escapes, doubled keys and any value at the top."""
    assert oracle.is_json(text)


@pytest.mark.parametrize(
    "text",
    ["", "[1,]", "[NaN]", "[-Infinity]", "[01]", "[1.]", "[+1]", "[.5]", '["\t"]', "[] []", "{a: 1}", "['a']",
     "[1] // one", "\ufeff[]", "[\u00a01]", r'["\x41"]', "[1\u0662]", "[" * 3000 + "1\u0662" + "]" * 3000],
)  # fmt: skip
def test_no_json(text):
    """What many readers let pass is no JSON here."""
    assert not oracle.is_json(text)


def test_canonical():
    """Key order and escapes do not matter at any depth, a number's spelling does, a text is no number."""

    def canonical(text):
        return oracle.canonical(oracle.value_at(text, 0)[0])

    assert canonical(r'{"b": [{"y": 1, "x": "\u3042"}], "a": null}') == '{"a":null,"b":[{"x":"あ","y":1}]}'
    assert len({canonical(text) for text in ["1", "1.0", "1e0", '"1"', "true", "[1]"]}) == 6


@pytest.mark.parametrize(
    ("earlier", "later"),
    [
        ("2025-11-01T09:00:00.000Z", "2025-11-01T09:00:00.000000001+00:00"),
        ("0000-02-29T23:59:59+23:59", "0000-03-01T00:00:00Z"),
        ("2025-11-01T09:00:00+09:00", "2025-11-01T01:00:00Z"),
        ("2025-11-01t09:00:00.49z", "2025-11-01 09:00:00.5-00:00"),
        ("2025-10-31T23:59:59.999Z", "2025-11-01T00:00:00Z"),
    ],
)
def test_instant(earlier, later):
    """Times compare as instants, to the last digit (A5)."""
    assert oracle.instant(earlier) < oracle.instant(later)


def test_same_instant():
    """One instant, three spellings."""
    same = ["2025-11-01T09:00:00Z", "2025-11-01T18:00:00.000+09:00", "2025-11-01 03:30:00.0-05:30"]
    assert len({oracle.instant(text) for text in same}) == 1


@pytest.mark.parametrize(
    "text",
    ["", "yesterday", "2025-11-01", "2025-11-01T09:00:00", "2025-02-29T09:00:00Z", "2025-11-01T24:00:00Z",
     "2025-11-01T09:00:00.Z", "2025-11-01T09:00Z", "2025-11-01T09:00:00+0900", " 2025-11-01T09:00:00Z",
     "2025-11-01T09:00:00Z\n", "２０２５-11-01T09:00:00Z", "2025-13-01T09:00:00Z", "0000-00-01T00:00:00Z"],
)  # fmt: skip
def test_no_instant(text):
    """What is not RFC 3339, or no day or time that exists."""
    assert oracle.instant(text) is None


# ── Files ────────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("content", "state", "held"),
    [
        (b"", "empty", {}),
        (b" \r\n\t", "empty", {}),
        (b"\xef\xbb\xbf\n", "empty", {}),
        (b"[]", "read", {}),
        (b"{}", "not_an_array", {"": "not_an_array"}),
        (b"null", "not_an_array", {"": "not_an_array"}),
        (b"nul", "malformed", {"": "malformed"}),
        (b"\xef\xbb\xbf\xef\xbb\xbf[]", "malformed", {"": "malformed"}),
        (b'["\xff"]', "invalid_utf8", {"": "invalid_utf8"}),
        (b'["\xed\xa0\x80"]', "invalid_utf8", {"": "invalid_utf8"}),
        (b"[1", "malformed", {"": "malformed", "/0": "not_an_object"}),
        (b'[1, "a", null, []]', "read", {f"/{number}": "not_an_object" for number in range(4)}),
    ],
)
def test_file_state(tmp_path, content, state, held):
    """What bytes are; a file that is no array of sessions is held with its whole text or bytes."""
    path = write(tmp_path, content)

    expected = oracle.expect(tmp_path)

    assert expected.file_rows[path]["state"] == state
    assert reasons(expected) == {(path, pointer): reason for pointer, reason in held.items()}
    if "" in held:
        row = expected.rejects[path, ""]
        whole = row["document_bytes"] if state == "invalid_utf8" else row["document"].encode()
        assert whole == content.removeprefix(b"\xef\xbb\xbf")


@pytest.mark.parametrize("content", [b"{}  ", b"[1, ", b"\xff   "])
def test_largest_document(tmp_path, monkeypatch, content):
    """A file's text or bytes are kept up to a size, a record's always: the file itself is never touched."""
    path = write(tmp_path, content)

    for limit, kept in ((4, True), (3, False)):
        monkeypatch.setattr(oracle, "LARGEST_DOCUMENT", limit)
        rejects = oracle.expect(tmp_path).rejects
        assert any(rejects[path, ""][name] is not None for name in ("document", "document_bytes")) is kept
        assert all(row["document"] for (_, pointer), row in rejects.items() if pointer)


@pytest.mark.parametrize(
    ("text", "elements"),
    [
        ("[", []),
        ("[] []", []),
        ("[,1]", []),
        ("[1,]", ["1"]),
        ("[1 2]", ["1"]),
        ("[1,,2]", ["1"]),
        ("[01]", ["0"]),
        ("[1, nul, 2]", ["1"]),
        ('[{"a": 1}, {"b":', ['{"a": 1}']),
        ('[{"a": "]}"}, {"b": "', ['{"a": "]}"}']),
        ('[{"a": NaN} , {"b": 2}]', ['{"a": NaN}', '{"b": 2}']),
        ('[{"a": "\n}"}, [1,] ,"x"', ['{"a": "\n}"}', "[1,]", '"x"']),
        (r'[{"a": "\"}", }, 2]', [r'{"a": "\"}", }', "2"]),
        ("[{]}, 2], 3]", ["{]"]),
    ],
)
def test_salvage(text, elements):
    """The complete elements of a text that is no JSON; cutting stops where an element has no end."""
    assert [element for element, _ in oracle.cut_elements(text)] == elements


def test_salvaged(tmp_path):
    """A torn file is held whole, and its complete sessions go in all the same (A10)."""
    text = f'[{json.dumps(session())}, {{\'broken\': 1}}, {json.dumps(session(id="s2"))}, {{"id": "s'
    path = write(tmp_path, "\ufeff" + text)

    expected = oracle.expect(tmp_path)

    assert list(expected.sessions) == ["s1", "s2"]
    assert reasons(expected) == {(path, ""): "malformed", (path, "/1"): "malformed"}
    assert expected.rejects[path, ""]["document"] == text
    assert expected.rejects[path, "/1"]["document"] == "{'broken': 1}"
    assert expected.warnings == {"salvaged": 1, "byte_order_mark": 1}
    assert nonzero(expected.balance)["sessions"] == {"source": 3, "inserted": 2, "held": 1}
    assert expected.files == {"found": 1, "empty": 0, "held": 1, "unmapped": 0}


def test_torn_anywhere(tmp_path):
    """Wherever a file breaks off the books balance, and all that was cut out of it is stored or held (A10)."""
    text = json.dumps([session(chatHistory=[message(note='"}]')]), session(), session(id="s2", status="?")])
    for end in range(1, len(text)):
        path = write(tmp_path, text[:end])
        expected = oracle.expect(tmp_path)
        stored = {row["pointer"] for row in expected.ledger.values()}
        held = {pointer for _, pointer in expected.rejects}
        elements = [f"/{number}" for number, _ in enumerate(oracle.cut_elements(text[:end]))]
        assert stored | held == {"", *elements} and not stored & held
        assert oracle.unbalanced(expected.balance_by_file[path]) == []


def test_unreadable(tmp_path):
    """Folders, links that lead out of the home and what the caller names are unreadable; links inside are followed."""
    home = tmp_path / "home"
    first, second = write(home, [session()]), write(home, [session()], "/srv/other")
    (home / "sessions" / "folder.json").mkdir()
    (home / "moved.txt").write_text("[]")
    (tmp_path / "away.txt").write_text("[]")
    (home / "sessions" / "in.json").symlink_to(home / "moved.txt")
    (home / "sessions" / "out.json").symlink_to(tmp_path / "away.txt")
    (home / "sessions" / "not-a-session.txt").write_text("[]")

    expected = oracle.expect(home, {"in": APP}, accepted_hashes={"in"}, unreadable={first})

    unreadable = {path for path, row in expected.file_rows.items() if row["state"] == "unreadable"}
    assert unreadable == {first, "sessions/folder.json", "sessions/out.json"}
    assert {path: row["state"] for path, row in expected.file_rows.items() if path not in unreadable} == {
        second: "unmapped_workspace",
        "sessions/in.json": "read",
    }
    assert expected.rejects[first, ""]["document"] is None
    assert expected.files == {"found": 5, "empty": 0, "held": 3, "unmapped": 1}


def test_linked_folder(tmp_path):
    """The folder of sessions may be a link to anywhere."""
    write(tmp_path / "elsewhere", [session()], mapped=False)
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "sessions").symlink_to(tmp_path / "elsewhere" / "sessions")

    assert list(oracle.expect(tmp_path / "home", {name_of(APP): APP}).sessions) == ["s1"]


def test_absurdly_deep(tmp_path):
    """A record nested deeper than the stack is a record like others."""
    deep = '{"a":[' * 50_000 + "1.0" + "]}" * 50_000
    write(tmp_path, json.dumps([session(deep="?"), session(id="s2")]).replace('"?"', deep))

    expected = oracle.expect(tmp_path)

    assert list(expected.sessions) == ["s1", "s2"]
    assert expected.residue["session", "s1", ""] == f'{{"deep":{deep}}}'


# ── Workspaces ───────────────────────────────────────────────────────────────────────────────────────────────────────


def test_mapping_is_proven(tmp_path):
    """What a person said counts if the hash proves it: in any spelling, and the proven one is stored."""
    folder = tmp_path / "プロジェクト"
    folder.mkdir()
    (tmp_path / "link").symlink_to(folder)
    path = write(tmp_path, [session()], str(folder), mapped=False)
    name = Path(path).stem

    for said in (f"{folder}/", str(tmp_path / "link"), unicodedata.normalize("NFD", str(folder))):
        for accepted in ((), (name,)):
            expected = oracle.expect(tmp_path, {name: said}, accepted_hashes=accepted)
            assert expected.sessions["s1"]["workspace_path"] == str(folder)


def test_hash_mismatch(tmp_path):
    """A path that the hash refutes is used only if it was accepted; else the file and each of its sessions are held."""
    path = write(tmp_path, [session(), session(), session(id="s2", status="?")], mapped=False)
    mapping = {Path(path).stem: "/somewhere/else//"}

    held = oracle.expect(tmp_path, mapping)
    assert reasons(held) == dict.fromkeys([(path, ""), (path, "/0"), (path, "/1"), (path, "/2")], "hash_mismatch")
    assert held.rejects[path, ""]["document"] is None
    assert held.rejects[path, "/2"]["detail"] == [("hash_mismatch", ["/2"]), ("invalid_status", ["/2/status"])]
    assert nonzero(held.balance)["sessions"] == {"source": 3, "held": 3}
    assert held.warnings == {}

    accepted = oracle.expect(tmp_path, mapping, accepted_hashes=[Path(path).stem])
    assert accepted.sessions["s1"]["workspace_path"] == "/somewhere/else"


@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_inference(tmp_path, form):
    """An ancestor of a worktree path proves the workspace, also one in a held record, also in the other spelling."""
    workspace = unicodedata.normalize(form, "/srv/がぎぐ")
    trees = [instance(0, worktreePath=f"/srv/がぎぐ/src-tauri/.worktrees/c/instance-{number}") for number in (1, 2)]
    write(tmp_path, [session(), session(id="s2", status="?", instances=trees)], workspace, mapped=False)

    for mapping in ({}, {name_of(workspace): "/srv/wrong"}):
        assert oracle.expect(tmp_path, mapping).sessions["s1"]["workspace_path"] == workspace


def test_root_is_an_ancestor(tmp_path):
    """The root folder is a workspace like others."""
    write(tmp_path, [session(instances=[instance(worktreePath="/w")])], "/", mapped=False)

    assert oracle.expect(tmp_path).sessions["s1"]["workspace_path"] == "/"


def test_unmapped(tmp_path):
    """Without a proof nothing goes in."""
    path = write(tmp_path, [session(instances=[instance(worktreePath="/tmp/worktree-1")])], "/srv/lost", mapped=False)

    assert reasons(oracle.expect(tmp_path)) == dict.fromkeys([(path, ""), (path, "/0")], "unmapped_workspace")


def test_a_proof_from_elsewhere(tmp_path):
    """A hash proves a path wherever that stands: in another file, or for another hash in the mapping."""
    write(tmp_path, [session()], "/srv/found", mapped=False)
    write(tmp_path, [session(id="s2", instances=[instance(worktreePath="/srv/found/.worktrees/1")])])
    write(tmp_path, [session(id="s3")], "/srv/said", mapped=False)

    expected = oracle.expect(tmp_path, {name_of(APP): APP, "0" * 16: "/srv/said"})

    assert {key: row["workspace_path"] for key, row in expected.sessions.items()} == {
        "s1": "/srv/found", "s2": APP, "s3": "/srv/said"
    }  # fmt: skip


# ── What a record breaks ─────────────────────────────────────────────────────────────────────────────────────────────

BIG = 2**31


@pytest.mark.parametrize(
    ("record", "broken"),
    [
        ("1", [("not_an_object", "")]),
        (session(id=None), [("missing_field", "/id")]),
        ({}, [("missing_field", f"/{key}") for key in ("createdAt", "id", "status", "task", "type", "updatedAt")]),
        (session(task=5, model=True), [("wrong_type", "/model"), ("wrong_type", "/task")]),
        (session(instances={}, chatHistory="x"), [("wrong_type", "/chatHistory"), ("wrong_type", "/instances")]),
        (session(preserveWorktrees=1), [("wrong_type", "/preserveWorktrees")]),
        (session(runtimeMix=["claude", 1, None]), [("wrong_type", "/runtimeMix")]),
        (session(runtimeMix="claude"), [("wrong_type", "/runtimeMix")]),
        (session(winnerId="1"), [("wrong_type", "/winnerId")]),
        (written('"winnerId": 1.0'), [("wrong_type", "/winnerId")]),
        (written('"winnerId": 1e0'), [("wrong_type", "/winnerId")]),
        (written('"winnerId": -0'), [("wrong_type", "/winnerId")]),
        (written('"winnerId": -1.5'), [("wrong_type", "/winnerId")]),
        (session(winnerId=-1), [("out_of_range", "/winnerId")]),
        (session(winnerId=2**32), [("out_of_range", "/winnerId")]),
        (session(totalDuration=2**64), [("out_of_range", "/totalDuration")]),
        (written(f'"totalDuration": 1{"0" * 5000}'), [("out_of_range", "/totalDuration")]),
        (session(totalDuration=2**64 - 1, winnerId=2**32 - 1), []),
        (session(status="done"), [("invalid_status", "/status")]),
        (session(status=""), [("invalid_status", "/status")]),
        (session(task="\ud83d"), [("unrepresentable_text", "/task")]),
        (session(runtimeMix=["a", "\udc00"]), [("unrepresentable_text", "/runtimeMix")]),
        (session(unknown="\ud83d", other=[{"\ud83d": 1}]), []),
        (session(instances=None, chatHistory=None), []),
        (session(instances=[1]), [("not_an_object", "/instances/0")]),
        (session(instances=[instance(BIG)]), [("out_of_range", "/instances/0/instanceId")]),
        (session(instances=[instance(filesChanged=BIG)]), []),
        (session(chatHistory=[message(instanceId=BIG)]), []),
        (session(chatHistory=[message(instanceId=-1)]), [("out_of_range", "/chatHistory/0/instanceId")]),
        (session(chatHistory=[message(content=None)]), [("missing_field", "/chatHistory/0/content")]),
        (session(instances=[instance(), instance(output=None)]), []),
        (
            session(instances=[instance(), instance(branch="x"), instance(), instance(branch="x")]),
            [("duplicate_instance", "/instances/1"), ("duplicate_instance", "/instances/3")],
        ),
    ],
)  # fmt: skip
def test_violations(tmp_path, record, broken):
    """Each rule, with the place where it is broken; a record that breaks none is stored."""
    path = write(tmp_path, f"[{record if isinstance(record, str) else json.dumps(record)}]")

    found = oracle.expect(tmp_path).rejects

    listed = [(reason, place) for row in found.values() for reason, places in row["detail"] for place in places]
    assert listed == [(reason, "/0" + place) for reason, place in broken]
    assert [row["reason"] for row in found.values()] == [reason for reason, _ in broken[:1]]
    assert list(found) == [(path, "/0")] * bool(broken)


@pytest.mark.parametrize(
    ("members", "place"),
    [
        ('"task": "x"', "/task"),
        (r'"t\u0061sk": "x"', "/task"),
        ('"a/~": 1, "a/~": 1, "a/~": 1', "/a~1~0"),
        ('"deep": {"x": 1, "x": 2}', None),
        ('"Task": 1', None),
    ],
)
def test_duplicate_key(tmp_path, members, place):
    """A key is doubled if it is the same unescaped; case and what stands inside unknown values do not matter."""
    path = write(tmp_path, f"[{written(members)}]")

    detail = {key: row["detail"] for key, row in oracle.expect(tmp_path).rejects.items()}

    assert detail == ({(path, "/0"): [("duplicate_key", [f"/0{place}"])]} if place else {})


def test_first_reason(tmp_path):
    """Everything that is wrong is told; the reason is the first in the fixed order, wherever it stands."""
    record = session(status="?", instances=[instance(branch=None, filesChanged=-1), instance(status=5)])
    path = write(tmp_path, [record | {"chatHistory": [3, message()]}])

    row = oracle.expect(tmp_path).rejects[path, "/0"]

    assert row["reason"] == "not_an_object"
    assert row["detail"] == [
        ("not_an_object", ["/0/chatHistory/0"]),
        ("missing_field", ["/0/instances/0/branch"]),
        ("wrong_type", ["/0/instances/1/status"]),
        ("out_of_range", ["/0/instances/0/filesChanged"]),
        ("invalid_status", ["/0/status"]),
        ("duplicate_instance", ["/0/instances/1"]),
    ]
    assert (row["key"], row["instances"], row["messages"]) == ("s1", 2, 2)


def test_unwritable_key(tmp_path):
    """A key with a lone surrogate holds the record; what points at it names the object."""
    path = write(tmp_path, json.dumps([session(instances=[instance() | {"x\ud800": 1}])]))

    assert oracle.expect(tmp_path).rejects[path, "/0"]["detail"] == [("unrepresentable_text", ["/0/instances/0"])]


# ── Whose id it is ───────────────────────────────────────────────────────────────────────────────────────────────────


def test_first_claims_the_id(tmp_path):
    """Of two with one id the first is the session, even when it is held (A1, A2); a doubled id claims nothing."""
    doubled = '{"id": "s1", "id": "s1"}'
    records = [session(status="?"), session(), session(id="s2"), session(id="s2", task=5)]
    path = write(tmp_path, f"[{doubled}, {', '.join(map(json.dumps, records))}]")

    expected = oracle.expect(tmp_path)

    assert list(expected.sessions) == ["s2"]
    assert reasons(expected) == {
        (path, "/0"): "duplicate_key",
        (path, "/1"): "invalid_status",
        (path, "/2"): "shadowed_duplicate",
        (path, "/4"): "shadowed_duplicate",
    }
    assert expected.rejects[path, "/4"]["detail"] == [("wrong_type", ["/4/task"])]
    assert [row["key"] for row in expected.rejects.values()] == [None, "s1", "s1", "s2"]


@pytest.mark.parametrize("workspaces", [("/srv/one", "/srv/two"), ("/srv/two", "/srv/one")])
@pytest.mark.parametrize(
    ("winner", "loser"),
    [
        ({"updatedAt": "2025-11-01T09:00:00.000000001Z"}, {}),
        ({}, {"updatedAt": "2025-11-01T10:00:00+09:00"}),
        ({}, {"updatedAt": "?"}),
        ({"createdAt": "2025-11-01T09:00:01Z"}, {}),
        ({}, {"createdAt": "?", "model": "last"}),
        ({}, {"status": "?", "updatedAt": "2026-01-01T00:00:00Z"}),
    ],
)
def test_latest_wins(tmp_path, winner, loser, workspaces):
    """Of two files with one session the later change wins, then the later birth; what is held takes no part (A13)."""
    stored = write(tmp_path, [session() | winner], workspaces[0])
    aside = write(tmp_path, [session() | loser], workspaces[1])

    expected = oracle.expect(tmp_path)

    assert expected.ledger["s1"]["source_path"] == stored
    assert reasons(expected) == {(aside, "/0"): "invalid_status" if "status" in loser else "superseded"}


def test_full_tie(tmp_path):
    """Of two that are equally late the one whose folder is there wins, then the smallest path."""
    first, second = (write(tmp_path, [session()], str(tmp_path / name)) for name in ("a", "b"))
    assert oracle.expect(tmp_path).ledger["s1"]["source_path"] == first

    (tmp_path / "b").mkdir()
    assert oracle.expect(tmp_path).ledger["s1"]["source_path"] == second


def test_held_does_not_supersede(tmp_path):
    """A record that is held stays held, and a shadow never takes part between files."""
    first = write(tmp_path, [session(status="?"), session(updatedAt="2026-01-01T00:00:00Z")], "/srv/one")
    second = write(tmp_path, [session()], "/srv/two")

    expected = oracle.expect(tmp_path)

    assert expected.ledger["s1"]["source_path"] == second
    assert reasons(expected) == {(first, "/0"): "invalid_status", (first, "/1"): "shadowed_duplicate"}


# ── What is stored ───────────────────────────────────────────────────────────────────────────────────────────────────


def test_rows(tmp_path):
    """Every column of a full session, its instance and its message."""
    full = session(
        completedAt="later", model="opus", timeoutSeconds=0, preserveWorktrees=True, winnerId=3,
        runtimeMix=["claude", "日本\n"], totalDuration=2**63 - 1, totalFilesChanged=1, totalLinesAdded=2,
        totalLinesDeleted=3,
        instances=[
            instance(
                3, output="o\u0000o", startTime="st", endTime="et", filesChanged=4, linesAdded=5, linesDeleted=6,
                runtime="codex", model="m", runtimeLabel="l",
            )
        ],
        chatHistory=[message(instanceId=3)],
    )  # fmt: skip
    path = write(tmp_path, [full])

    expected = oracle.expect(tmp_path)

    assert expected.sessions == {
        "s1": {
            "id": "s1", "workspace_path": APP, "type": "debate", "task": "t", "status": "paused",
            "created_at": "2025-11-01T09:00:00.000Z", "updated_at": "2025-11-01T09:00:00.000Z",
            "completed_at": "later", "model": "opus", "timeout_seconds": 0, "preserve_worktrees": 1, "winner_id": 3,
            "runtime_mix": '["claude","日本\\n"]', "total_duration": 2**63 - 1, "total_files_changed": 1,
            "total_lines_added": 2, "total_lines_deleted": 3, "instance_count": 1, "message_count": 1,
        }
    }  # fmt: skip
    assert expected.instances == {
        ("s1", 3): {
            "session_id": "s1", "instance_id": 3, "worktree_path": "/tmp/w", "branch": "b", "agent_name": "a",
            "status": "idle", "tmux_session_id": "x", "output": "o\u0000o", "start_time": "st", "end_time": "et",
            "files_changed": 4, "lines_added": 5, "lines_deleted": 6, "runtime": "codex", "model": "m",
            "runtime_label": "l",
        }
    }  # fmt: skip
    assert expected.messages == {
        "m1": {
            "id": "m1", "session_id": "s1", "instance_id_ref": ("s1", 3), "role": "user", "content": "c",
            "timestamp": "2025-11-01T09:00:00Z",
        }
    }  # fmt: skip
    assert expected.ledger["s1"]["pointer"] == "/0"
    assert expected.file_rows[path]["workspace_path"] == APP
    assert expected.residue == {} and expected.rejects == {}
    assert expected.warnings == {"invalid_timestamp": 3}


def test_absent_is_null(tmp_path):
    """Options may be null or absent; preserveWorktrees is 0 then, and an empty list is a list."""
    write(tmp_path, [session(model=None, preserveWorktrees=None, runtimeMix=[])])

    row = oracle.expect(tmp_path).sessions["s1"]

    assert (row["model"], row["winner_id"], row["preserve_worktrees"], row["runtime_mix"]) == (None, None, 0, "[]")


def test_message_ids(tmp_path):
    """Equal repeats are one; the earliest session's first keeps the id, every other gets one of its own (A4)."""
    early = session(id="e", createdAt="2025-11-01T08:00:00Z")
    early["chatHistory"] = [message(), message(content="2"), message(instanceId=None), message(content="3")]
    late = session(id="b", createdAt="unknown") | {"chatHistory": [message(), message(content="x"), message("m2")]}
    tied = session(id="a", createdAt="unknown") | {"chatHistory": [message("m2"), message("m2", content="y")]}
    write(tmp_path, [late, early, tied])

    expected = oracle.expect(tmp_path)

    assert {key: row["content"] for key, row in expected.messages.items()} == {
        "m1@b": "c", "m1@b#2": "x", "m2@b": "c",
        "m1": "c", "m1@e#2": "2", "m1@e#3": "3",
        "m2": "c", "m2@a#2": "y",
    }  # fmt: skip
    assert expected.residue["message", "e", "m1@e#3"] == '{"id":"m1"}'
    assert expected.residue["order", "e", "chatHistory"] == '{"order":["m1","m1@e#2","m1","m1@e#3"]}'
    assert expected.sessions["e"]["message_count"] == 3
    assert nonzero(expected.balance)["messages"] == {"source": 9, "inserted": 8, "shadowed": 1}


def test_taken_message_ids(tmp_path):
    """A new id gives way, by `~`, to another message's own id and to one that was just given."""
    chat = [message(), message(content="2"), message("m1@s1#2"), message("m1@s1#2~"), message("m1@s1#2", content="3")]
    other = session(id="s1#2", createdAt="2026-01-01T00:00:00Z", chatHistory=[message()])
    write(tmp_path, [session(chatHistory=chat), other])

    assert list(oracle.expect(tmp_path).messages) == [
        "m1", "m1@s1#2~~", "m1@s1#2", "m1@s1#2~", "m1@s1#2@s1#2",
        "m1@s1#2~~~",
    ]  # fmt: skip


def test_references(tmp_path):
    """A message names an instance of its own session; a name without one is residue, without a warning."""
    chat = [message("a", instanceId=1), message("b", instanceId=0), message("c", instanceId=BIG), message("d")]
    write(tmp_path, [session(instances=[instance(1)], chatHistory=chat), session(id="s2", instances=[instance()])])

    expected = oracle.expect(tmp_path)

    assert [row["instance_id_ref"] for row in expected.messages.values()] == [("s1", 1), None, None, None]
    assert expected.residue == {
        ("message", "s1", "b"): '{"instanceId":0}',
        ("message", "s1", "c"): '{"instanceId":2147483648}',
    }
    assert expected.warnings == {}


def test_residue(tmp_path):
    """Unknown keys, null ones too, and values beyond the reader, as they were written (A7)."""
    text = json.dumps([session(
        evaluation={"b": "SCORE", "a": "\ud800"}, nothing=None, winnerId=BIG, totalDuration=2**63,
        instances=[instance(7, testsPassed=None, linesAdded=BIG), instance(7, testsPassed=None, linesAdded=BIG)],
        chatHistory=[message(note="n")],
    )])  # fmt: skip
    write(tmp_path, text.replace('"SCORE"', "1.10"))

    expected = oracle.expect(tmp_path)

    assert expected.residue == {
        ("session", "s1", ""): '{"evaluation":{"a":"\ud800","b":1.10},"nothing":null,'
        '"totalDuration":9223372036854775808,"winnerId":2147483648}',
        ("instance", "s1", "7"): '{"linesAdded":2147483648,"testsPassed":null}',
        ("message", "s1", "m1"): '{"note":"n"}',
        ("order", "s1", "instances"): '{"order":[7,7]}',
    }
    assert expected.sessions["s1"]["winner_id"] is None and expected.sessions["s1"]["total_duration"] is None
    assert expected.warnings == {"exceeds_reader_type": 3}


def test_warnings(tmp_path):
    """One count an oddity of what is stored; what is held or stands aside warns of nothing."""
    odd = session(
        type="duel", completedAt="soon", instances=[instance(status="lost", runtime="abacus", endTime="")],
        chatHistory=[message(role="tool", timestamp="2025-11-01"), message(role="tool", timestamp="2025-11-01")],
    )  # fmt: skip
    write(tmp_path, [odd, odd, odd | {"id": "s2", "status": "?"}, session(id="s3", instances=None)])

    assert oracle.expect(tmp_path).warnings == {
        "unknown_type": 1, "unknown_role": 1, "unknown_runtime": 1, "unknown_instance_status": 1,
        "invalid_timestamp": 3, "missing_list": 1,
    }  # fmt: skip


def test_books(tmp_path):
    """Every element of every array is on one page of the books, a held session's with it (invariant 2)."""
    held = session(id="h", status="?", instances=[instance(), 5], chatHistory=[message()])
    kept = session(instances=[instance(), instance()], chatHistory=[message(), message(), message("m2")])
    one = write(tmp_path, [kept, kept, held, 7], "/srv/one")
    two = write(tmp_path, [kept | {"updatedAt": "2020-01-01T00:00:00Z"}], "/srv/two")

    expected = oracle.expect(tmp_path)

    assert nonzero(expected.balance_by_file[one]) == {
        "sessions": {"source": 4, "inserted": 1, "shadowed": 1, "held": 2},
        "instances": {"source": 6, "inserted": 1, "shadowed": 3, "held": 2},
        "messages": {"source": 7, "inserted": 2, "shadowed": 4, "held": 1},
    }
    assert nonzero(expected.balance_by_file[two]) == {
        "sessions": {"source": 1, "shadowed": 1},
        "instances": {"source": 2, "shadowed": 2},
        "messages": {"source": 3, "shadowed": 3},
    }
    assert nonzero(expected.balance)["messages"] == {"source": 10, "inserted": 2, "shadowed": 7, "held": 1}
    assert oracle.unbalanced(expected.balance) == []
    assert oracle.unbalanced({"sessions": expected.balance["sessions"] | {"held": 0}}) != []


# ── Against a database ───────────────────────────────────────────────────────────────────────────────────────────────

FILE = """[
  {"id": "s1", "type": "debate", "task": "認証", "status": "paused", "createdAt": "c", "updatedAt": "u",
   "instances": [
     {"instanceId": 2, "worktreePath": "/w", "branch": "b", "agentName": "a", "status": "idle", "tmuxSessionId": "x"},
     {"instanceId": 1, "worktreePath": "/v", "branch": "b", "agentName": "a", "status": "idle", "tmuxSessionId": "x"}],
   "chatHistory": [
     {"id": "m1", "role": "user", "content": "one", "timestamp": "t", "instanceId": 2},
     {"id": "m0", "role": "user", "content": "two", "timestamp": "t", "score": 1.10}],
   "runtimeMix": ["codex"], "winnerId": 1},
  {"id": "s1", "again": true},
  {"id": "s2", "instances": [1, 2], "chatHistory": [3]}
]"""
RECORDS = [text for text, _ in oracle.cut_elements(FILE)]


@pytest.fixture
def migrated(tmp_path):
    """A home, and by hand the database that a first migration of it must leave."""
    path = write(tmp_path, FILE)
    connection = sqlite3.connect(tmp_path / "sessions.db", isolation_level=None)
    connection.executescript("pragma synchronous = off; pragma journal_mode = memory;")
    for migration in sorted(MIGRATIONS.glob("*.sql")):
        connection.executescript(migration.read_text("utf-8"))
    connection.execute(
        "insert into sessions values ('s1', ?, 'debate', '認証', 'paused', 'c', 'u', null, null, null, 0, 1,"
        " '[\"codex\"]', null, null, null, null, 0, 0)",
        (APP,),
    )
    connection.executescript("""
        insert into instances values
          (5, 's1', 2, '/w', 'b', 'a', 'idle', 'x', null, null, null, null, null, null, null, null, null),
          (6, 's1', 1, '/v', 'b', 'a', 'idle', 'x', null, null, null, null, null, null, null, null, null);
        insert into chat_messages values ('m1', 's1', 5, 'user', 'one', 't'), ('m0', 's1', null, 'user', 'two', 't');
        insert into migration_residue values ('message', 's1', 'm0', '{ "score" : 1.10 }');
        insert into migration_runs values ('r1', 'migrate', 'then', 'now', '1', 'held', '{}');
    """)
    missing = [(key, "missing_field") for key in ("createdAt", "status", "task", "type", "updatedAt")]
    lists = [("chatHistory/0", "not_an_object"), ("instances/0", "not_an_object"), ("instances/1", "not_an_object")]
    for number, key, reason, instances, messages, broken in (
        (1, "s1", "shadowed_duplicate", 0, 0, [("", "shadowed_duplicate"), *missing]),
        (2, "s2", "not_an_object", 2, 1, [*lists, *missing]),
    ):
        detail = [{"pointer": f"/{number}/{place}".rstrip("/"), "reason": why, "words": "…"} for place, why in broken]
        connection.execute(
            "insert into migration_rejects values (?, 'r1', ?, ?, 'session', ?, ?, ?, ?, ?, ?, null)",
            (number, path, f"/{number}", key, reason, json.dumps(detail), instances, messages, RECORDS[number]),
        )
    books = {
        "sessions": {"source": 3, "inserted": 1, "shadowed": 1, "held": 1},
        "instances": {"source": 4, "inserted": 2, "held": 2},
        "messages": {"source": 3, "inserted": 2, "held": 1, "updated": 0},
    }
    content = FILE.encode()
    connection.execute(
        "insert into migration_files values (?, ?, ?, 'read', ?, 1, ?, 3, 4, 3, ?, 'r1', null)",
        (path, Path(path).stem, APP, len(content), hashlib.sha256(content).hexdigest(), json.dumps(books)),
    )
    connection.execute(
        "insert into migration_ledger values ('s1', ?, '/0', ?, '{}', 'r1')",
        (path, hashlib.sha256(RECORDS[0].encode()).hexdigest()),
    )
    yield tmp_path, connection
    connection.close()


def told(home):
    return oracle.differences(home, home / "sessions.db")


def test_no_difference(migrated):
    """The database that follows from the rules is no different from them, and reading it leaves nothing behind."""
    home, _ = migrated
    before = sorted(home.rglob("*"))

    assert told(home) == []
    oracle.check(home, home / "sessions.db")
    assert sorted(home.rglob("*")) == before


DAMAGED = {
    "sessions": (
        "workspace_path type task status created_at updated_at completed_at model timeout_seconds preserve_worktrees"
        " winner_id runtime_mix total_duration total_files_changed total_lines_added total_lines_deleted"
        " instance_count message_count"
    ),
    "instances": (
        "worktree_path branch agent_name status tmux_session_id output start_time end_time files_changed lines_added"
        " lines_deleted runtime model runtime_label"
    ),
    "chat_messages": "role content timestamp instance_id_ref",
    "migration_residue": "document",
    "migration_rejects": "entity key reason detail instances messages document document_bytes run_id",
    "migration_files": (
        "workspace_hash workspace_path state size_bytes sha256 sessions instances messages balance run_id"
    ),
    "migration_ledger": "source_path pointer document_sha256 run_id",
}
OTHER = {"status": "failed", "preserve_worktrees": 1, "instance_id_ref": 6, "document_bytes": b"x"}
KEYS = {
    "sessions": "id",
    "instances": "session_id instance_id",
    "chat_messages": "id",
    "migration_residue": "entity session_id key",
    "migration_rejects": "source_path pointer",
    "migration_files": "source_path",
    "migration_ledger": "session_id",
}
ELSEWHERE = {
    "instances": "id",  # what a run may number, time and word as it likes
    "migration_rejects": "reject_id",
    "migration_files": "mtime_ns detail",
    "migration_ledger": "base",
    "chat_messages": "session_id",  # the first statement of test_damage
}


def each_column(tables):
    return [(table, name) for table, names in tables.items() for name in names.split()]


def columns_of(connection, table):
    return dict(connection.execute("select name, type from pragma_table_info(?)", (table,)))


def other_value(connection, table, column):
    return OTHER.get(column, 77 if columns_of(connection, table)[column] == "INTEGER" else "damaged")


@pytest.mark.parametrize(("table", "column"), each_column(DAMAGED))
def test_damaged_value(migrated, table, column):
    """One changed value, in any column, is told as exactly that."""
    home, connection = migrated
    changed = connection.execute(
        f"update {table} set {column} = ? where rowid = (select min(rowid) from {table})",  # noqa: S608 (our own names)
        (other_value(connection, table, column),),
    )
    assert changed.rowcount == 1

    [line] = told(home)

    assert line.startswith(f"{table} ") and f" {column}: expected " in line


@pytest.mark.parametrize(("table", "column"), each_column(KEYS))
def test_damaged_key(migrated, table, column):
    """A changed key is a row that is missing and one that nobody expects."""
    home, connection = migrated
    connection.execute(
        f"update {table} set {column} = ? where rowid = (select max(rowid) from {table})",  # noqa: S608 (our own names)
        (other_value(connection, table, column),),
    )

    lines = [line for line in told(home) if line.startswith(f"{table} (") or line.startswith(f"{table} '")]

    assert sum("expected a row, found none" in line for line in lines) == 1
    assert sum("expected no row, found one" in line for line in lines) == 1


def test_every_column_is_damaged(migrated):
    """The two tests above leave out no column of the schema but those named here."""
    _, connection = migrated
    for table in DAMAGED:
        named = [*DAMAGED[table].split(), *KEYS[table].split(), *ELSEWHERE.get(table, "").split()]
        assert sorted(named) == sorted(columns_of(connection, table))


@pytest.mark.parametrize("table", DAMAGED)
def test_missing_row(migrated, table):
    """A row that is gone is told, in any table."""
    home, connection = migrated
    connection.execute(f"delete from {table} where rowid = (select max(rowid) from {table})")  # noqa: S608 (our own names)

    assert any(line.startswith(f"{table} ") and line.endswith("expected a row, found none") for line in told(home))


@pytest.mark.parametrize(
    ("statement", "lines"),
    [
        ("update chat_messages set session_id = 's9' where id = 'm0'", [
            "sessions 's1' message_count: expected 2, found 1",
            "chat_messages 'm0' session_id: expected 's1', found 's9'",
            "foreign_key_check: row 2 of chat_messages points at no row of sessions",
        ]),
        ("update chat_messages set instance_id_ref = 9 where id = 'm1'", [
            "chat_messages 'm1' instance_id_ref: expected ('s1', 2), found (None, None)",
            "foreign_key_check: row 1 of chat_messages points at no row of instances",
        ]),
        ("update chat_messages set rowid = 9 where id = 'm1'", [
            "chat_messages 's1' order: expected ['m1', 'm0'], found ['m0', 'm1']"
        ]),
        ("update instances set id = 4 where id = 6", [
            "instances 's1' order: expected [('s1', 2), ('s1', 1)], found [('s1', 1), ('s1', 2)]"
        ]),
        ("insert into chat_messages values ('m2', 's1', null, 'user', 'three', 't')", [
            "sessions 's1' message_count: expected 2, found 3",
            "chat_messages 'm2': expected no row, found one",
        ]),
        ("insert into migration_rejects select 9, run_id, source_path, pointer, entity, key, reason, detail, instances,"
         " messages, document, document_bytes from migration_rejects where pointer = '/1'", ["stands twice"]),
        ("update sessions set winner_id = x'31'", ["sessions 's1' winner_id: expected 1, found b'1'"]),
        ("update sessions set winner_id = 1.5", ["sessions 's1' winner_id: expected 1, found 1.5"]),
        ("update chat_messages set content = cast(x'6f6e65ff' as text) where id = 'm1'", [
            r"chat_messages 'm1' content: expected 'one', found 'one\udcff'"
        ]),
        ("update migration_residue set document = '{\"score\":1.1}'", [
            """migration_residue ('message', 's1', 'm0') document: expected '{"score":1.10}', found '{"score":1.1}'"""
        ]),
        ("update migration_rejects set document = document || ' ' where pointer = '/1'", ["document: expected"]),
        ("update migration_files set balance = replace(balance, '\"held\": 2', '\"held\": 1')", ["balance: expected"]),
        ("update sessions set runtime_mix = '[ \"codex\" ]'", ["sessions 's1' runtime_mix: expected"]),
        ("update sessions set runtime_mix = '[\"c\\u006fdex\"]'", []),
        ("update migration_runs set finished_at = null", ["run_id: expected a finished run"] * 4),
        ("delete from migration_runs", ["run_id: expected a finished run"] * 4),
    ],
)  # fmt: skip
def test_damage(migrated, statement, lines):
    """What one statement does is told line by line, and nothing else."""
    home, connection = migrated
    connection.execute(statement)

    found = told(home)

    assert len(found) == len(lines)
    for line, part in zip(found, lines, strict=True):
        assert part in line


def test_types_are_compared():
    """1 and 1.0 are two values, also where the schema would let both stand."""
    assert list(oracle.compare("t", {"k": {"a": 1}}, [("k", {"a": 1.0})])) == ["t 'k' a: expected 1, found 1.0"]


@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_stored_with_or_without_its_bom(mark):
    """A file's text may be stored with its byte order mark or without."""
    assert oracle.reject_row({"entity": "file", "document": f"{mark}[", "detail": None})["document"] == "["


def test_corruption(migrated):
    """An index that tells another story than its table is found, though every row is right."""
    home, connection = migrated
    connection.execute("pragma writable_schema = on")
    connection.execute(
        "update sqlite_schema set sql = replace(sql, '(type)', '(task)') where name = 'sessions_by_type'"
    )

    assert any(line.startswith("integrity_check: ") for line in told(home))


def test_unreadable_database(migrated):
    """What SQLite cannot read is a difference too."""
    home, connection = migrated
    connection.execute("drop table migration_ledger")

    assert told(home) == ["sessions.db cannot be read: no such table: migration_ledger"]


def test_check_raises(migrated):
    """`check` says what is different."""
    home, connection = migrated
    connection.execute("update sessions set task = 'x'")

    with pytest.raises(AssertionError, match="task: expected '認証', found 'x'"):
        oracle.check(home, home / "sessions.db")


def test_uncheckpointed_commits(migrated):
    """Commits that still stand in the write-ahead log are read too."""
    home, connection = migrated
    connection.execute("pragma journal_mode = wal")
    connection.execute("update sessions set task = 'x'")

    assert told(home) == ["sessions 's1' task: expected '認証', found 'x'"]


# ── There and back ───────────────────────────────────────────────────────────────────────────────────────────────────


def exported(home, text):
    folder = home / "out" / "sessions"
    folder.mkdir(parents=True)
    (folder / f"{name_of(APP)}.json").write_text(text, "utf-8")
    return oracle.compare_export(home, home / "out")


ORIGINAL = """[
  {"id": "s1", "type": "debate", "task": "あ", "status": "paused", "createdAt": "c", "updatedAt": "u", "model": null,
   "instances": [
     {"instanceId": 0, "worktreePath": "/w", "branch": "b", "agentName": "a", "status": "idle", "tmuxSessionId": "x",
      "score": {"b": 1.10, "a": [null]}, "instances": 7}],
   "chatHistory": null},
  {"id": "s1"},
  {"id": "s2", "type": "debate", "task": "t", "status": "paused", "createdAt": "c", "updatedAt": "u", "winnerId": 1}
]"""
EXPORT = r"""[
  {"id": "s1", "type": "debate", "task": "\u3042", "status": "paused", "createdAt": "c", "updatedAt": "u",
   "instances": [
     {"score": {"a": [null], "b": 1.10}, "instances": 7,
      "instanceId": 0, "worktreePath": "/w", "branch": "b", "agentName": "a", "status": "idle", "tmuxSessionId": "x"}],
   "chatHistory": [], "preserveWorktrees": false},
  {"id": "s2", "type": "debate", "task": "t", "status": "paused", "createdAt": "c", "updatedAt": "u", "winnerId": 1,
   "runtimeMix": []}
]"""


def test_same_export(tmp_path):
    """Values are compared, not spelling: null is absent, absent lists are empty, absent preserveWorktrees is false."""
    write(tmp_path, ORIGINAL)

    assert exported(tmp_path, EXPORT) == []


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        ("1.10", "1.1", "export 's1' /instances/0/score: expected "),
        ('"task": "t"', '"task": null', "export 's2' /task: expected '\"t\"', found None"),
        ('"winnerId": 1', '"winnerId": 1, "extra": 2', "export 's2' /extra: expected None, found '2'"),
        ('"winnerId": 1', '"winnerId": "1"', "export 's2' /winnerId: expected '1', found '\"1\"'"),
        ('"winnerId": 1', '"winnerId": 1, "winnerId": 1', "export 's2' /winnerId: expected '1', found '2 values'"),
        ("7", "8", "export 's1' /instances/0/instances: expected '7', found '8'"),
        ("[null]", "[]", "export 's1' /instances/0/score: expected "),
        ("false", "true", "export 's1' /preserveWorktrees: expected 'false', found 'true'"),
        ('"id": "s2"', '"id": "s3"', "export 's2': expected one, found 0"),
        ('"id": "s2"', '"id": "s1"', "export 's1': expected one, found 2"),
    ],
)
def test_different_export(tmp_path, old, new, line):
    """One changed value is told with its place."""
    write(tmp_path, ORIGINAL)

    assert exported(tmp_path, EXPORT.replace(old, new))[0].startswith(line)


CHAT = [message("b"), message("a"), message("b")]


def test_export_order(tmp_path):
    """Sessions stand in their order, the database's own after them; lists in theirs, repeats included."""
    write(tmp_path, [session(chatHistory=CHAT), session(id="s2")])

    assert exported(tmp_path, json.dumps([session(chatHistory=CHAT), session(id="s2"), session(id="own")])) == []


@pytest.mark.parametrize(
    ("sessions", "line"),
    [
        ([session(id="s2"), session(chatHistory=CHAT)], "order: expected ['s1', 's2'], found ['s2', 's1']"),
        ([session(chatHistory=CHAT), session(id="own"), session(id="s2")], "order: expected ['s1', 's2'], found"),
        ([session(chatHistory=CHAT[:2]), session(id="s2")], "/chatHistory: expected 'a list of 3'"),
        ([session(chatHistory=CHAT[::2] + CHAT[1:2]), session(id="s2")], "/chatHistory/1/id: expected"),
    ],
)
def test_export_disorder(tmp_path, sessions, line):
    """Neither sessions nor messages may change places, and no repeat may be missing."""
    write(tmp_path, [session(chatHistory=CHAT), session(id="s2")])

    assert line in exported(tmp_path, json.dumps(sessions))[0]


def test_export_file(tmp_path):
    """A session stands in the file in which the editor looks for its workspace."""
    write(tmp_path, [session()])
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "0123456789abcdef.json").write_text(json.dumps([session()]))

    [line] = oracle.compare_export(tmp_path, tmp_path / "out")

    assert line == f"export 's1' file: expected {name_of(APP)}.json, found 0123456789abcdef.json"
