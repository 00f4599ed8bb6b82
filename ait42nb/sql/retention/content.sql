-- content: a hash of each thing that a database has of a session file: a row, what its columns cannot say, a reject.
-- DuckDB. in: stored, staging (the same database)   out: source_path, entity, session_id, key, content_hash
select source_path, entity, session_id, key, value_hash as content_hash
from stored
join staging.migration_ledger using (session_id)

union all
select source_path, 'residue: ' || entity, session_id, key, hash(document)
from staging.migration_residue
join staging.migration_ledger using (session_id)

union all
select source_path, 'reject', source_path, pointer, hash(reason, document, document_bytes)
from staging.migration_rejects
where source_path is not null and pointer is not null
