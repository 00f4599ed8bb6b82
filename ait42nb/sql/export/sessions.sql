-- sessions: every session and where it stood in JSON: those in the ledger in its order, then the database's own by time.
-- SQLite. in: sessions, migration_ledger, migration_files
-- out: id, workspace_path, workspace_hash (of the file it stood in; NULL where it belongs to another workspace now), in_ledger
select
    session.id,
    cast(session.workspace_path as text) as workspace_path,
    iif(coalesce(file.workspace_path, session.workspace_path) = session.workspace_path, file.workspace_hash, null)
        as workspace_hash,
    ledger.session_id is not null as in_ledger
from sessions as session
left join migration_ledger as ledger on ledger.session_id = session.id
left join migration_files as file on file.source_path = ledger.source_path
order by
    in_ledger desc, ledger.source_path, cast(substr(ledger.pointer, 2) as integer), session.created_at, session.id
