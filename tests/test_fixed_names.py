"""Names that others rely on: whoever changes one here breaks a job, an editor or a report somewhere."""

from __future__ import annotations

import inspect
from contextlib import closing
from pathlib import Path

import pytest
from test_docs import parameters

from ait42nb import check, database, queries, report, stage

ROOT = Path(__file__).parent.parent

HOME = {"ait42_home": "~/.ait42"}
SHOWN = {"redact": True, "summary_path": ""}
MIGRATING = {
    "dry_run": True,
    "strict": False,
    "workspace_mapping": "",
    "search_roots": [],
    "on_unmapped": "hold",
    "accept_hash_mismatch": False,
    "reread": False,
    "backup": True,
    "memory_limit": "600MB",
}
PARAMETERS = {
    "migrate": HOME | MIGRATING | SHOWN,
    "validate": HOME | SHOWN | {"strict": False},
    "rollback": HOME | SHOWN | {"action": "", "backup_id": "latest", "output_dir": "", "dry_run": True},
    "retention": HOME | SHOWN | {"days": 30, "confirm": [], "dry_run": True},
    "explore": HOME | {"workspace": "", "query": "", "redact": False},
    "fleet": MIGRATING | SHOWN | {"homes": "", "scheduler": "", "output_dir": ""},
}


@pytest.mark.parametrize("notebook", PARAMETERS)
def test_parameters(notebook):
    """A job that passes them goes on working; a notebook may have more, of which nothing is expected."""
    told = {name: default for name, (default, _) in parameters(ROOT / f"notebooks/{notebook}.ipynb").items()}

    assert {name: told.get(name, "is not there") for name in PARAMETERS[notebook]} == PARAMETERS[notebook]


def test_parameter_files():
    """Ready for `papermill -f`."""
    files = {file.name for file in (ROOT / "params").iterdir()}
    assert files == {"dry_run.yaml", "production.yaml", "ci.yaml", "dual_write.yaml"}


@pytest.mark.parametrize(
    ("call", "signature"),
    [
        (queries.insert_session, ["connection", "session"]),
        (queries.insert_instance, ["connection", "instance"]),
        (queries.insert_chat_message, ["connection", "message"]),
        (queries.get_sessions_by_workspace, ["connection", "workspace_path"]),
        (queries.get_instances_by_session, ["connection", "session_id"]),
        (queries.get_chat_messages_by_session, ["connection", "session_id"]),
        (queries.search_sessions, ["connection", "workspace_path", "query"]),
        (database.connect, ["path"]),
        (database.get_database_path, ["ait42_home"]),
        (database.check_database_health, ["connection"]),
        (report.read_summary, ["path"]),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_calls(call, signature):
    """The guide's calls in the guide's order, and what reads a summary; whatever else they take has a default."""
    taken = inspect.signature(call).parameters.values()
    positional = [one.name for one in taken if one.kind is not one.KEYWORD_ONLY]

    assert positional == signature
    assert all(one.default is not one.empty for one in taken if one.kind is one.KEYWORD_ONLY)


REASONS = """
    malformed not_an_array invalid_utf8 unreadable unstable unmapped_workspace hash_mismatch not_an_object missing_field
    wrong_type out_of_range invalid_status duplicate_key duplicate_instance unrepresentable_text shadowed_duplicate
    superseded conflict deleted_in_database
"""


def test_reason_codes():
    """They stand in databases that were made long ago."""
    assert {*check.RULES, *stage.WORDS} == set(REASONS.split())


def test_warnings():
    """They stand in summaries that others count."""
    codes = """
        unknown_type unknown_role unknown_runtime unknown_instance_status invalid_timestamp exceeds_reader_type
        missing_list byte_order_mark salvaged older_json reinserted
    """
    assert set(report.WARNINGS) == set(codes.split())


INDEXES = """
    sessions: workspace_path
    sessions: type
    sessions: status
    sessions: created_at desc
    sessions: workspace_path, status
    sessions: workspace_path, created_at desc
    instances: session_id
    instances: status
    instances: tmux_session_id
    chat_messages: session_id, timestamp
    chat_messages: timestamp
"""


def test_indexes(tmp_path):
    """What the editor's queries lean on is there, by columns and direction."""
    with closing(database.connect(tmp_path / "sessions.db")) as connection:
        made = {
            f"{table}: {', '.join(columns(connection, name))}"
            for name, table in connection.execute("select name, tbl_name from sqlite_master where type = 'index'")
        }
    assert {line.strip() for line in INDEXES.strip().splitlines()} <= made


def columns(connection, index):
    for _, _, name, descending, _, is_key in connection.execute("select * from pragma_index_xinfo(?)", (index,)):
        if is_key:
            yield f"{name} desc" if descending else name


def test_bookkeeping(tmp_path):
    """sqlx finds its own table, column for column."""
    with closing(database.connect(tmp_path / "sessions.db")) as connection:
        made = [tuple(row)[1:] for row in connection.execute("pragma table_info(_sqlx_migrations)")]
    assert made == [
        ("version", "BIGINT", 0, None, 1),
        ("description", "TEXT", 1, None, 0),
        ("installed_on", "TIMESTAMP", 1, "CURRENT_TIMESTAMP", 0),
        ("success", "BOOLEAN", 1, None, 0),
        ("checksum", "BLOB", 1, None, 0),
        ("execution_time", "BIGINT", 1, None, 0),
    ]
