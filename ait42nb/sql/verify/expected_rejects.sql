-- What migration_rejects is to hold of records. DuckDB. in: rejects, records
-- out: source_path, pointer, key, reason, detail, instances, messages, and the hash of the whole text
select source_path, pointer, key, reason, detail, rejects.instances, rejects.messages, sha256
from rejects
join records using (file_no, ordinal)
