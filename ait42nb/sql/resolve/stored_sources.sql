-- stored_sources: the file from which each stored session came last. DuckDB. in: stored (the snapshot)
select session_id, source_path from stored.migration_ledger
