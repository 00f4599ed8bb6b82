"""Made-up homes are as the editor writes them, and what they claim about themselves is true."""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import sys
from collections import defaultdict
from itertools import pairwise
from pathlib import Path

import pytest

from ait42nb.errors import HomeError
from ait42nb.samples import SampleHome, dumps, instance, main, message, session, write_home, write_mapping

JAVASCRIPT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
RUST = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}(?<!000)\+00:00")
SESSION_KEYS = set(session())
INSTANCE_KEYS = set(instance())


def texts(sample: SampleHome) -> dict[str, str]:
    return {path.stem: path.read_bytes().decode() for path in sorted((sample.home / "sessions").iterdir())}


def by_workspace(sample: SampleHome) -> dict[str, list[dict]]:
    return {sample.mapping[key]: json.loads(text) for key, text in texts(sample).items()}


def all_sessions(sample: SampleHome) -> list[dict]:
    return [record for records in by_workspace(sample).values() for record in records]


@pytest.fixture(scope="module")
def lived(tmp_path_factory) -> SampleHome:
    """A home of the demo's size."""
    return write_home(tmp_path_factory.mktemp("lived"))


@pytest.fixture(scope="module")
def orderly(tmp_path_factory) -> SampleHome:
    return write_home(tmp_path_factory.mktemp("orderly"), sessions=60, files=4, anomalies=False)


# --- Text


def test_builders_have_every_key_in_order():
    """Keys stand in the editor's order, whatever is overridden; unknown keys come last."""
    assert " ".join(session(task="dialog", evaluation=None)) == (
        "id type task status createdAt updatedAt completedAt instances chatHistory model timeoutSeconds "
        "preserveWorktrees winnerId runtimeMix totalDuration totalFilesChanged totalLinesAdded totalLinesDeleted "
        "evaluation"
    )
    assert " ".join(instance(status="idle", testsPassed=3)) == (
        "instanceId worktreePath branch agentName status tmuxSessionId output startTime endTime filesChanged "
        "linesAdded linesDeleted runtime model runtimeLabel testsPassed"
    )
    assert " ".join(message(role="system")) == "id role content timestamp instanceId"


def test_text_is_serdes_pretty_text():
    """Two spaces, `[]`, control characters as lower-case escapes, all else as it is, 64 bits, no newline at the end."""
    text = dumps(
        [{"content": 'é認🎤\x1b[1m\x7f/"\\\n\u2028', "chatHistory": [], "model": None, "totalDuration": 2**64 - 1}]
    )

    assert text == (
        '[\n  {\n    "content": "é認🎤\\u001b[1m\x7f/\\"\\\\\\n\u2028",\n    "chatHistory": [],\n    "model": null,\n'
        '    "totalDuration": 18446744073709551615\n  }\n]'
    )
    assert dumps([]) == "[]"


def test_what_serde_would_write_as_null_is_refused():
    """NaN is not quietly written as something that the editor never writes."""
    with pytest.raises(ValueError):
        dumps([session(totalDuration=float("nan"))])


@pytest.mark.parametrize("sample", ["lived", "orderly"])
def test_files_are_what_dumps_writes(sample, request):
    """The fast writer and `dumps` write the same text, byte for byte."""
    for text in texts(request.getfixturevalue(sample)).values():
        assert text == dumps(json.loads(text))


def test_an_empty_workspace_is_an_empty_array(tmp_path):
    """A file whose sessions were all deleted holds `[]`."""
    sample = write_home(tmp_path, sessions=0, files=1)

    assert list(texts(sample).values()) == ["[]"]


# --- What a home says about itself


@pytest.mark.parametrize("sample", ["lived", "orderly"])
def test_counts_are_right(sample, request):
    """The counts are those of the elements that stand in the files."""
    sample = request.getfixturevalue(sample)
    records = all_sessions(sample)

    assert sample.sessions == len(records)
    assert sample.shadowed == len(records) - len({record["id"] for record in records})
    assert sample.instances == sum(len(record["instances"]) for record in records)
    assert sample.messages == sum(len(record["chatHistory"]) for record in records)
    assert sample.bytes == sum(path.stat().st_size for path in sample.home.glob("sessions/*.json"))


def test_file_names_are_the_hashes_of_the_mapping(lived):
    """Each file is named for its workspace: the first sixteen hex digits of the path's SHA-256."""
    assert set(texts(lived)) == set(lived.mapping)
    assert len(lived.mapping) == 12
    for key, path in lived.mapping.items():
        assert key == hashlib.sha256(path.encode()).hexdigest()[:16]
        assert not path.endswith("/") and not Path(path).exists()


def test_write_mapping_writes_all_or_some(lived):
    """The mapping file holds every workspace, or only those asked for."""
    path = write_mapping(lived)
    assert json.loads(path.read_text("utf-8")) == lived.mapping

    some = list(lived.mapping)[:2]
    assert json.loads(write_mapping(lived, only=some).read_text("utf-8")) == {key: lived.mapping[key] for key in some}


def test_the_same_seed_gives_the_same_bytes(tmp_path):
    """Seeded, in another process and with another hash seed too; another seed gives another home."""
    first = write_home(tmp_path / "first", sessions=20, files=3, broken=True)
    program = f"from pathlib import Path; from ait42nb.samples import *; write_home(Path({str(tmp_path / 'again')!r}), "
    subprocess.run(
        [sys.executable, "-c", program + "sessions=20, files=3, broken=True)"],
        env={"PYTHONHASHSEED": "1", "TZ": "Asia/Tokyo", "PYTHONPATH": str(Path(__file__).parents[1])},
        check=True,
    )
    other = write_home(tmp_path / "other", sessions=20, files=3, seed=7)

    again = {path.stem: path.read_bytes().decode() for path in sorted((tmp_path / "again/sessions").iterdir())}
    assert again == texts(first)
    assert not {record["id"] for record in all_sessions(other)} & set(
        re.findall(r'"id": "(.*?)"', "".join(again.values()))
    )


def test_a_home_with_sessions_is_left_alone(tmp_path):
    """Real history is never overwritten or mixed with made-up sessions."""
    (tmp_path / "sessions").mkdir()
    (tmp_path / "sessions/0123456789abcdef.json").write_text("[]")

    with pytest.raises(HomeError, match="nothing was written"):
        write_home(tmp_path)

    assert [path.name for path in (tmp_path / "sessions").iterdir()] == ["0123456789abcdef.json"]


# --- What real homes are like


def test_a1_competitions_stand_twice(lived):
    """First the dialog's copy, numbered from 1 in real worktrees; then the shell's, from 0 in /tmp, as it was born."""
    pairs = 0
    for path, records in by_workspace(lived).items():
        for first, second in pairwise(records):
            if first["id"] != second["id"] or first["type"] == "debate":
                continue
            pairs += 1
            assert first["instances"][0]["instanceId"] == 1
            assert second["instances"][0]["instanceId"] == 0
            assert all(item["worktreePath"].startswith(f"{path}/src-tauri/.worktrees/") for item in first["instances"])
            assert all(item["worktreePath"].startswith("/tmp/worktree-") for item in second["instances"])
            assert (second["status"], second["chatHistory"]) == ("running", [])
    assert pairs > 80


def test_debates_lose_their_task_to_the_progress(lived):
    """Some debates stand twice too: first the loop's progress, whose chat names instances that it does not have."""
    progress = [record for record in all_sessions(lived) if record["task"] == "Debate in progress"]

    assert all((record["type"], record["instances"]) == ("debate", []) for record in progress)
    assert any(said["instanceId"] for record in progress for said in record["chatHistory"])


def test_a2_only_first_copies_lived(lived):
    """Chats, ends and winners are in the first of two copies."""
    seen = set()
    for record in all_sessions(lived):
        if record["id"] in seen:
            assert record["chatHistory"] == [] and record["completedAt"] is None and record["winnerId"] is None
        seen.add(record["id"])


def test_a3_messages_hold_whole_screens(lived):
    """Some messages are tmux captures of more than 10,000 characters, with escapes and boxes."""
    long = [said for record in all_sessions(lived) for said in record["chatHistory"] if len(said["content"]) > 10_000]

    assert len(long) >= 10
    assert all("\x1b[" in said["content"] and "╭─" in said["content"] for said in long)


def test_a4_message_ids_have_three_forms_and_collide(lived):
    """`msg-{ms}`, `msg-{ms}-response`, `history-{instance}-{ms}`; some stand in two sessions, with different texts."""
    texts_by_id = defaultdict(dict)
    for record in all_sessions(lived):
        for said in record["chatHistory"]:
            assert re.fullmatch(r"msg-\d{13}(-response)?|history-\d-\d{13}", said["id"])
            assert record["id"] not in texts_by_id[said["id"]]
            texts_by_id[said["id"]][record["id"]] = said["content"]
    shared = [texts for texts in texts_by_id.values() if len(texts) > 1]

    assert {re.sub(r"\d+", "", key) for key in texts_by_id} == {"msg-", "msg--response", "history--"}
    assert any(len(set(texts.values())) > 1 for texts in shared)


def test_a5_both_clocks_stand_side_by_side(lived):
    """Every time is in JavaScript's or in Rust's style, and sessions hold both."""
    both = 0
    for record in all_sessions(lived):
        times = [record["createdAt"], record["updatedAt"], *(said["timestamp"] for said in record["chatHistory"])]
        styles = {bool(RUST.fullmatch(time)) for time in times}
        assert all(RUST.fullmatch(time) or JAVASCRIPT.fullmatch(time) for time in times)
        both += len(styles) == 2
    assert both > 50


def test_a6_the_winner_panel_does_not_bump_updated_at(lived):
    """Sessions were evaluated, and given a winner, later than they claim to have changed."""
    chosen = [record for record in all_sessions(lived) if "evaluation" in record]

    assert len(chosen) > 10
    assert all(record["updatedAt"] < record["evaluation"]["evaluatedAt"] for record in chosen)
    assert all(record["status"] == "completed" and record["completedAt"] is None for record in chosen)


def test_a7_unknown_keys(lived):
    """The keys that the front end has and storage has not."""
    records = all_sessions(lived)
    instances = [item for record in records for item in record["instances"]]

    assert {key for record in records for key in record} - SESSION_KEYS == {
        "evaluation",
        "integrationPhase",
        "integrationInstanceId",
    }
    assert {key for item in instances for key in item} - INSTANCE_KEYS == {
        "testsPassed",
        "testsFailed",
        "codeComplexity",
        "executionTime",
    }


def test_messages_to_instance_zero_name_none(lived):
    """The chat panel takes 0 for no choice: such a message has no instanceId, while its history id has the 0."""
    chats = [said for record in all_sessions(lived) for said in record["chatHistory"]]

    assert all(said["instanceId"] != 0 for said in chats)
    assert any(said["instanceId"] is None for said in chats if said["id"].startswith("history-0-"))


def test_a8_all_kinds_and_statuses_occur(lived):
    """Every type, status, role and runtime that is valid occurs, and none that is not."""
    records = all_sessions(lived)
    instances = [item for record in records for item in record["instances"]]

    assert {record["type"] for record in records} == {"competition", "ensemble", "debate"}
    assert {record["status"] for record in records} == {"running", "completed", "failed", "paused"}
    assert {item["status"] for item in instances} == {"idle", "running", "completed", "failed", "paused", "archived"}
    assert {item["runtime"] for item in instances} == {"claude", "codex", "gemini", None}
    assert {said["role"] for record in records for said in record["chatHistory"]} == {"user", "assistant", "system"}


@pytest.mark.parametrize("where", ["task", "content", "worktreePath", "workspace"])
def test_a9_japanese_and_emoji(lived, where):
    """Tasks, messages, worktree paths and workspace paths are Japanese, with emoji, or not."""
    records = all_sessions(lived)
    found = {
        "task": [record["task"] for record in records],
        "content": [said["content"] for record in records for said in record["chatHistory"] if said["role"] == "user"],
        "worktreePath": [item["worktreePath"] for record in records for item in record["instances"]],
        "workspace": list(lived.mapping.values()),
    }[where]

    assert any(re.search("[ぁ-ん一-龥]", text) for text in found)
    assert any(re.search("[\U0001f300-\U0001faff]", text) for text in found)
    assert any(text.isascii() for text in found)


def test_a12_two_workspaces_cannot_be_inferred(lived):
    """Every workspace but two is an ancestor of some worktree path in its file."""
    hidden = [
        path
        for path, records in by_workspace(lived).items()
        if not any(item["worktreePath"].startswith(f"{path}/") for record in records for item in record["instances"])
    ]

    assert len(hidden) == 2


def test_sessions_are_spread_over_a_year(lived):
    """The history covers most of a year, each file in order of birth, and chats follow their session."""
    months = {record["createdAt"][:7] for record in all_sessions(lived)}
    assert len(months) >= 10
    for records in by_workspace(lived).values():
        births = [record["createdAt"][:23] for record in records]
        assert births == sorted(births)
        for record in records:
            times = [record["createdAt"][:23], *(said["timestamp"][:23] for said in record["chatHistory"])]
            assert times == sorted(times)


def test_texts_have_the_size_of_real_ones(tmp_path):
    """Questions are short, answers 300 to 600 characters on average; two in five sessions are Japanese."""
    sample = write_home(tmp_path, sessions=100, files=2, instances_per_session=2, anomalies=False)
    said = defaultdict(list)
    for record in all_sessions(sample):
        for each in record["chatHistory"]:
            said[each["role"]].append(each["content"])
    tasks = [record["task"] for record in all_sessions(sample)]

    assert 300 < sum(map(len, said["assistant"])) / len(said["assistant"]) < 600
    assert 20 < sum(map(len, said["user"])) / len(said["user"]) < 100
    assert sum(bool(re.search("[ぁ-ん]", task.split("\n")[-1])) for task in tasks) == 40


# --- A home in order


def test_a_home_in_order_has_none_of_it(orderly):
    """Each session stands once, with exactly the numbers asked for, known keys, one clock, no shared millisecond."""
    records = all_sessions(orderly)
    chats = [said for record in records for said in record["chatHistory"]]
    instances = [item for record in records for item in record["instances"]]

    assert (orderly.sessions, orderly.shadowed, orderly.instances, orderly.messages) == (60, 0, 180, 1200)
    assert len({record["id"] for record in records}) == 60
    milliseconds = [
        {int(re.search(r"\d{13}", said["id"])[0]) % 60 for said in record["chatHistory"]} for record in records
    ]
    assert all(len(remainders) == 1 for remainders in milliseconds) and len(set.union(*milliseconds)) == 60
    assert len({said["id"] for said in chats}) == 1200
    assert max(len(said["content"]) for said in chats) < 10_000
    assert {key for record in records for key in record} == SESSION_KEYS
    assert {key for item in instances for key in item} == INSTANCE_KEYS
    assert {item["status"] for item in instances} == {"running", "completed", "failed"}
    times = [record[key] for record in records for key in ("createdAt", "updatedAt")]
    assert all(JAVASCRIPT.fullmatch(time) for time in times + [said["timestamp"] for said in chats])
    assert all(record["completedAt"] in (None, record["updatedAt"]) for record in records)


# --- Broken extras


def test_broken_extras(tmp_path):
    """A truncated file, one that is no array, an empty one, and three records that nobody can take; all counted."""
    sample = write_home(tmp_path, sessions=12, files=2, broken=True)
    plain = write_home(tmp_path / "plain", sessions=12, files=2)
    extra = {sample.mapping[key]: text for key, text in texts(sample).items() if key not in plain.mapping}
    torn = extra.pop("/home/aki/src/電卓")
    records = {
        record["id"]: record
        for key, text in texts(sample).items()
        if key in plain.mapping
        for record in json.loads(text)
        if record["id"].startswith("b4a9d1a0")
    }

    assert extra == {"/home/aki/src/blog": "{}", "/home/aki/src/scratch": ""}
    with pytest.raises(json.JSONDecodeError):
        json.loads(torn)
    assert torn.count("\n  },\n") == 2
    assert records.pop("b4a9d1a0-debate")["status"] == "round_2"
    assert "createdAt" not in records.pop("b4a9d1a0-undated")
    assert records.pop("b4a9d1a0-large")["totalLinesAdded"] == 2**32
    assert not records
    assert sample.sessions == plain.sessions + 3 + 2


# --- Command line


def test_command_line_writes_a_home(tmp_path, capsys):
    """`python -m ait42nb.samples DIR` writes a home and says what is in it."""
    main([str(tmp_path / "home"), "--sessions", "14", "--files", "2", "--mapping"])

    assert capsys.readouterr().out.startswith(f"{tmp_path / 'home'}: 2 files, ")
    assert len(json.loads((tmp_path / "home/workspace_mapping.json").read_text("utf-8"))) == 2


def test_command_line_refuses_a_used_home_and_has_no_default(tmp_path, capsys):
    """It never writes where sessions are, and never guesses where to write."""
    main([str(tmp_path), "--sessions", "1", "--files", "1"])

    with pytest.raises(SystemExit) as refused:
        main([str(tmp_path)])
    assert refused.value.code == 1
    assert "there are sessions already" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main([])
