-- ledger: what is to stand in migration_ledger, gathered a part of the messages at a time. DuckDB, empty at first.
create or replace table ledger (
    file_no integer, ordinal bigint,
    session_id varchar, source_path varchar, pointer varchar, document_sha256 varchar, base varchar, run_id varchar
)
