"""What can be seen of a folder, and what a database holds, to compare before and after."""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
import stat
from contextlib import closing
from pathlib import Path


def snapshot(folder: Path) -> dict[str, tuple]:
    """Names, kinds, modes, owners, times of change and contents, of a folder and of all that is in it."""
    paths = [folder, *sorted(folder.rglob("*"))]
    return {str(path.relative_to(folder)): _facts(path) for path in paths}


def _facts(path: Path) -> tuple:
    status = path.lstat()
    facts = (stat.filemode(status.st_mode), status.st_uid, status.st_mtime_ns, status.st_ctime_ns, status.st_ino)
    if stat.S_ISLNK(status.st_mode):
        return (*facts, os.readlink(path))
    if stat.S_ISREG(status.st_mode):
        return (*facts, status.st_size, hashlib.sha256(path.read_bytes()).hexdigest())
    return facts


# Row numbers are left out: they follow the order within a session only, which the sorting keeps.
COMPARED = {
    "sessions": "select * from sessions order by rowid",
    "instances": """
        select row_number() over (partition by session_id order by id), session_id, instance_id, worktree_path, branch,
        agent_name, status, tmux_session_id, output, start_time, end_time, files_changed, lines_added, lines_deleted,
        runtime, model, runtime_label from instances order by session_id, id""",
    "messages": """
        select m.id, m.session_id, instance_id, role, content, timestamp from chat_messages m
        left join instances i on i.id = instance_id_ref order by m.session_id, m.rowid""",
    "residue": "select * from migration_residue order by entity, session_id, key",
    "rejects": """
        select source_path, pointer, entity, key, reason, detail, instances, messages, document, document_bytes
        from migration_rejects order by source_path, pointer""",
    "ledger": "select session_id, source_path, pointer, document_sha256, base from migration_ledger order by 1",
    "files": "select source_path, workspace_path, state, sha256, balance, detail from migration_files order by 1",
}


def content(database: Path) -> dict[str, list[tuple]]:
    """Every row, but for what tells one run from another."""
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
        tables = {name: connection.execute(query).fetchall() for name, query in COMPARED.items()}
    tables["ledger"] = [(*row, json.loads(base)) for *row, base in tables["ledger"]]
    return tables
