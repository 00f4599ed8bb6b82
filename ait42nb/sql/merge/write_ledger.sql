-- Writes down JSON as this run saw it; an equal entry stays as it is. SQLite. in: $session_id
insert into main.migration_ledger (session_id, source_path, pointer, document_sha256, base, run_id)
select session_id, source_path, pointer, document_sha256, base, run_id
from ours.migration_ledger
where session_id = $session_id
on conflict (session_id) do update set
    source_path = excluded.source_path,
    pointer = excluded.pointer,
    document_sha256 = excluded.document_sha256,
    base = excluded.base,
    run_id = excluded.run_id
where (migration_ledger.source_path, migration_ledger.pointer, migration_ledger.document_sha256, migration_ledger.base)
    is not (excluded.source_path, excluded.pointer, excluded.document_sha256, excluded.base)
