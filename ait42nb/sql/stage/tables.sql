-- What is gathered for staging, a batch at a time. DuckDB, empty at first.
create or replace table ledger (
    file_no integer, ordinal bigint,
    session_id varchar, source_path varchar, pointer varchar, document_sha256 varchar, base varchar, run_id varchar
);

create or replace table message_residue (session_id varchar, id varchar, document varchar);
