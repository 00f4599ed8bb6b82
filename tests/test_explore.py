"""The history to look at: what is found, how it reads, and what is never shown. Browsers: tests/browser."""

from __future__ import annotations

import json

import pytest
from test_display import HOSTILE, TAGS, Parsed

from ait42nb import explore, widgets
from ait42nb.explore import Filters, readable
from ait42nb.mapping import workspace_hash
from ait42nb.samples import instance, message, session

APP, INVOICES = "/home/aki/src/app", "/home/aki/仕事/請求書システム"


def told(id_: str, task: str = "x", chat: str = "", created: str = "2025-03-01T09:00:00Z", **more) -> dict[str, object]:
    worker = instance(worktreePath="/tmp/w", branch="feature/x")
    said = [message(id=f"m-{id_}", content=chat, instanceId=worker["instanceId"])] if chat else []
    return session(id=id_, task=task, createdAt=created, instances=[worker], chatHistory=said, **more)


@pytest.fixture
def history(home):
    """Two workspaces, five sessions."""
    home.write(
        APP,
        [
            told("s1", "Fix the parser", "It fails on 日本語 text"),
            told("s2", "電卓に括弧を足す", created="2025-04-30T23:59:00Z", type="debate", status="failed"),
            told("s3", "Write docs", created="2024-12-31T00:00:00+09:00"),
        ],
    )
    home.write(INVOICES, [told("s4", "請求書のPDF", "the parser again"), told("s5", "消費税", status="paused")])
    home.migrate()
    return home


def look(home, **parameters: object):
    run = explore.start({"ait42_home": str(home.path)} | parameters)
    if run.failure:
        raise run.failure
    return run


@pytest.fixture
def shown(monkeypatch) -> list[object]:
    seen: list[object] = []
    monkeypatch.setattr(explore, "display", lambda thing, **_: seen.append(thing))
    monkeypatch.setattr("IPython.display.display", lambda thing, raw=False: seen.append(thing))
    return seen


# Finding --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("filters", "ids"),
    [
        ({}, ["s2", "s1", "s4", "s5", "s3"]),
        ({"query": "parser"}, ["s1", "s4"]),
        ({"query": "PARSER docs"}, []),
        ({"query": "日本"}, ["s1"]),
        ({"query": "弧"}, ["s2"]),
        ({"query": "parser", "workspace": "請求書"}, ["s4"]),
        ({"workspace": workspace_hash(APP)}, ["s2", "s1", "s3"]),
        ({"workspace": "APP"}, ["s2", "s1", "s3"]),
        ({"type": "deb"}, ["s2"]),
        ({"status": "paused"}, ["s5"]),
        ({"since": "2025-04"}, ["s2"]),
        ({"until": "2025-03", "since": "2025"}, ["s1", "s4", "s5"]),
        ({"until": "2024"}, ["s3"]),
        ({"query": '"; drop table sessions; --'}, []),
        ({"query": "%"}, []),
    ],
)
def test_filters_narrow_and_all_must_hold(history, filters, ids):
    """Words inside of words, in tasks and messages; dates as far as they are given; the newest first."""
    found = [row.id for row in explore.find(look(history), Filters(**filters))]

    assert sorted(found) == sorted(ids) and found[:1] == ids[:1]


@pytest.mark.parametrize("name", [INVOICES, workspace_hash(INVOICES), "請求書システム", f"{INVOICES}/"])
def test_a_workspace_is_chosen_by_path_hash_or_name(history, name):
    run = look(history, workspace=name)

    assert run.get(explore.History).chosen == INVOICES
    assert [row.id for row in explore.find(run, Filters())] == ["s4", "s5"]
    assert "s4" not in str(explore.overview(run)) and "請求書システム" in str(explore.overview(run))


def test_a_workspace_that_is_none_or_several_is_refused(history):
    history.write("/somewhere/else/app", [told("s6")])
    history.migrate()

    for name, problem in (("nothing", "is no workspace"), ("app", "fits several")):
        with pytest.raises(explore.SettingsError, match=problem):
            look(history, workspace=name)


def test_without_a_database_it_says_what_to_do(home):
    with pytest.raises(explore.DatabaseRefused, match=r"migrate\.ipynb"):
        look(home)


def test_it_changes_nothing(history, shown):
    """Looking leaves the database as it was."""
    before = history.database.read_bytes()
    run = look(history, query="parser")
    for step in (explore.overview, explore.pictures):
        str(step(run))
    explore.search(run)

    assert history.database.read_bytes() == before


def test_statistics_tell_how_it_went(home):
    """By type and by runtime; who won, and what was written; summed up."""
    workers = [
        instance(instanceId=1, runtime="claude", status="completed", linesAdded=10, linesDeleted=3, filesChanged=2),
        instance(instanceId=2, runtime="codex", status="failed"),
        instance(instanceId=3, runtime=None),
    ]
    home.write(APP, [session(id="s1", instances=workers, winnerId=1), session(id="s2", type="debate", status="failed")])
    home.migrate()
    lines = [line.split() for line in str(explore.statistics(look(home))).splitlines()]

    assert ["competition", "1", "1", "0", "3", "0"] in lines and ["debate", "1", "0", "1", "0", "0"] in lines
    assert ["total", "2", "1", "1", "3", "0"] in lines
    assert ["claude", "1", "1", "0", "1", "2", "10", "3"] in lines
    assert ["codex", "1", "0", "1", "0", "0", "0", "0"] in lines
    assert ["not", "told", "1"] in [line[:3] for line in lines]


def test_statistics_without_sessions(home):
    home.migrate()

    assert "holds no sessions" in str(explore.statistics(look(home)))


# A report by parameters -----------------------------------------------------------------------------------------------


def test_by_parameters_it_is_a_report(history, shown):
    """Nobody can type: what is found stands there whole, to be read at once."""
    run = look(history, query="parser")
    explore.search(run)

    (found,) = shown
    text = str(found)
    assert "2 sessions" in text and "Fix the parser" in text
    assert "It fails on 日本語 text" in text and "the parser again" in text
    assert explore.summarize(run)["found"] == 2


def test_without_a_question_nothing_is_shown_whole(history, shown):
    explore.search(look(history))

    assert "5 sessions" in str(shown[0]) and "It fails on" not in str(shown[0])


def test_a_report_stays_light_enough(history, shown, monkeypatch):
    monkeypatch.setattr(explore, "MOST_READ", 1)
    explore.search(look(history, workspace=APP))

    assert "2 more are not shown whole" in str(shown[0])


def test_the_summary_is_for_people_and_for_programs(history, monkeypatch):
    seen = []
    monkeypatch.setattr("ait42nb.report.display", lambda thing, raw=False, **_: seen.append(thing))
    explore.summary(look(history))

    notice, bundle = seen
    assert "5 of 5 sessions found in 2 workspaces" in str(notice)
    assert bundle["application/json"]["sessions"] == 5
    assert "text/html" not in bundle


# Reading --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("plain\n  日本語 🎤", "plain\n  日本語 🎤"),
        ("\x1b[1;31mred\x1b[0m \x1b[38;5;208mmore\x1b[m", "red more"),
        ("\x9b31mred\x9b0m", "red"),
        ("\x1b]0;a title\x07text\x1b]8;;https://x\x1b\\link\x1b]8;;\x1b\\", "textlink"),
        ("\x1b[2J\x1b[H\x1b[?25lshown\x1b[K", "shown"),
        ("10%\r50%\r100%\ndone\r\n", "100%\ndone\n"),
        ("a\x1b[3Cb", "a   b"),
        ("a\x1b[999Cb", "a" + " " * 200 + "b"),
        ("typo\x08\x08\x08\x08text", "text"),
        ("\x08\x08start", "start"),
        ("\x1bc\x1b(B\x1b=after", "after"),
        ("cut off \x1b[3", "cut off "),
        ("\x1b]0;never ends\nbut the next line is read", "\nbut the next line is read"),
        ("╭─╮\n│x│", "╭─╮\n│x│"),
    ],
)
def test_a_terminal_reads_as_it_was_seen(written, read):
    """Colours, titles and the cursor go, overwritten lines are as they ended, boxes stay."""
    assert readable(written) == read


def test_a_capture_of_megabytes_is_read_in_no_time():
    """A hostile capture costs no more than its length."""
    for piece in ("\x1b[", "\x1b]", "\x08", "\r", "\x1b[1;31m", "\x1b"):
        readable(piece * 500_000)


def test_a_session_reads_with_its_instances_and_chat(history):
    run = look(history)
    (row,) = explore.find(run, Filters(query="Fix"))
    text = str(explore.session(run, row))

    for words in ("Fix the parser", "s1", APP, "feature/x", "It fails on 日本語 text", "2025-03-01 09:00"):
        assert words in text


def test_long_texts_are_folded_and_very_long_ones_cut(home):
    home.write(APP, [told("s1", chat="\n".join(f"line {n}" for n in range(20_000)))])
    home.migrate()
    run = look(home)
    html = explore.session(run, explore.find(run, Filters())[0]).html()

    assert "characters more</summary>" in html and "characters more\n" not in html[:1000]
    assert "line 19999" not in html and len(html) < 60_000


def test_code_stands_in_even_letters(home):
    """What is indented, fenced or drawn is code; a sentence is not."""
    for text, even in (("Hello there", False), ("Traceback:\n  File x", True), ("```\nx\n```", True), ("│ x", True)):
        assert ("monospace" in explore.Text(text).html()) == even


# What is never shown --------------------------------------------------------------------------------------------------

TOKEN = "ghp_" + "a1B2" * 9


def test_credentials_are_masked_and_counted(home):
    """In task, message and output, also where colours cut them in two; never quoted."""
    worker = instance(output=f"password=hunter22hunter\n{TOKEN}")
    torn = f"\x1b[31m{TOKEN[:10]}\x1b[0m{TOKEN[10:]}"
    home.write(APP, [session(id="s1", task=f"use {TOKEN}", instances=[worker], chatHistory=[message(content=torn)])])
    home.migrate()
    run = look(home)
    rows = explore.find(run, Filters())
    both = [explore.session(run, rows[0]), explore.listing(run, rows)]
    text = "".join([str(one) + one.html() for one in both])

    assert TOKEN not in text and "hunter22" not in text
    assert "4 credentials are masked here" in text and "3 github_token, 1 password" in text


@pytest.mark.parametrize("hostile", HOSTILE)
def test_hostile_text_is_never_live(home, hostile):
    """A task, a branch, a message, an agent or an output is text, whatever stands in it."""
    hostile = hostile.replace("\ud800", "")
    worker = instance(output=hostile, branch=hostile, agentName=hostile)
    home.write(APP, [session(id="s1", task=hostile, instances=[worker], chatHistory=[message(content=hostile)])])
    home.migrate()
    run = look(home)
    rows = explore.find(run, Filters())
    for one in (explore.session(run, rows[0]), explore.listing(run, rows), explore.overview(run)):
        parsed = Parsed(one.html())
        assert parsed.tags <= TAGS
        assert not any(name.startswith("on") for name in parsed.attributes)


def test_under_redact_no_text_is_shown(home, shown):
    """Ids, hashes, counts, times and codes only, by parameters and in the form."""
    secret = "極秘"
    worker = instance(output=secret, branch=secret, agentName=secret, model=secret, runtime=secret)
    home.write(
        f"/home/{secret}",
        [told("s1") | {"task": secret, "type": secret, "model": secret, "runtimeMix": [secret], "instances": [worker]}],
    )
    home.migrate()
    run = look(home, redact=True, query=secret)
    explore.search(run)
    (row,) = explore.find(run, Filters(query=secret))
    parts = [*shown, explore.session(run, row), explore.overview(run), explore.pictures(run), explore.statistics(run)]
    text = "".join(str(part) + part.html() for part in parts) + json.dumps(explore.summarize(run), ensure_ascii=False)

    assert "s1" in text and workspace_hash(f"/home/{secret}") in text
    assert secret not in text and str(home.path) not in text


# The form -------------------------------------------------------------------------------------------------------------


@pytest.fixture
def form(history):
    return widgets.SearchForm(look(history), Filters())


def words(html: str) -> str:
    return Parsed(html).words


def test_the_list_follows_what_is_typed(form):
    assert words(form.list.value).startswith("5 sessions")
    form.fields["query"].value = "parser"
    assert words(form.list.value).startswith("2 sessions")
    form.fields["status"].value = "completed"
    form.fields["workspace"].value = "仕事"
    assert words(form.list.value).startswith("1 session") and "請求書のPDF" in words(form.list.value)
    form.fields["until"].value = "1999"
    assert "No session fits" in words(form.list.value)


def test_a_number_opens_that_session(form):
    """Of the list as it is now; in full-width digits too."""
    form.fields["query"].value = "括弧"
    form.number.value = "１"
    assert "電卓に括弧を足す" in words(form.reading.value)
    form.fields["query"].value = "Fix"
    assert "It fails on" in words(form.reading.value)
    for wrong in ("0", "2", "x", "99999999999"):
        form.number.value = wrong
        assert words(form.reading.value).startswith("Not there")
    form.number.value = ""
    assert form.reading.value == ""


def test_a_database_that_goes_away_is_told_in_the_form(form, history):
    history.database.unlink()
    form.fields["query"].value = "x"

    assert words(form.list.value).startswith("Failed")


def test_every_field_has_a_name(form):
    names = [field.description for field in (*form.fields.values(), form.number)]
    assert len({*names}) == 7 and all(names)


def test_where_somebody_can_type_the_list_stays_for_later(history, shown, monkeypatch):
    """What is kept of the form in the notebook is one sentence, and a table."""
    monkeypatch.setattr(explore, "has_front_end", lambda: True)
    explore.search(look(history, query="parser"))

    bundle, details = shown
    assert bundle["text/plain"].startswith("A form to search with")
    assert "2 sessions" in str(details)
