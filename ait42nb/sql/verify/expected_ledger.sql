-- What migration_ledger is to say of where each session was found. DuckDB. in: accepted, records, workspaces
-- out: session_id, source_path, pointer, document_sha256
select session_id, source_path, '/' || ordinal as pointer, sha256 as document_sha256
from accepted
join records using (file_no, ordinal)
join workspaces using (file_no)
