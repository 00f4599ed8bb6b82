-- violations: one row a broken rule. DuckDB.
create or replace table violations (
    file_no integer, ordinal bigint,
    reason varchar,    -- the rule
    entity varchar,    -- session, instance or message
    pointer varchar,   -- RFC 6901, into the file
    key varchar,
    detail varchar     -- in plain words
)
