-- What the ledger says of a session now (ours) and said last time (theirs). SQLite. in: $session_id
-- out: side, source_path, pointer, document_sha256, base
select 'ours' as side, source_path, pointer, document_sha256, base
from ours.migration_ledger
where session_id = $session_id
union all
select 'theirs', source_path, pointer, document_sha256, base
from main.migration_ledger
where session_id = $session_id
