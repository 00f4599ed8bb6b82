-- expected: a hash of all values of each row that is to be stored, and its place in its session. DuckDB, empty at first.
create or replace table expected (entity varchar, session_id varchar, key varchar, place bigint, value_hash ubigint)
