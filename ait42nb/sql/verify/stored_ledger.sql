-- What stands in the staging file's migration_ledger, but for `base`. SQLite.
-- out: session_id, source_path, pointer, document_sha256, run_id
select session_id, source_path, pointer, document_sha256, run_id from migration_ledger
