-- What stands in the staging file's migration_rejects. SQLite.
-- out: source_path, pointer, run_id, entity, key, reason, detail, instances, messages, document, document_bytes
select source_path, pointer, run_id, entity, key, reason, detail, instances, messages, document, document_bytes
from migration_rejects
