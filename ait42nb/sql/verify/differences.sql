-- differences: one row a value that differs. DuckDB, empty at first.
create or replace table differences (
    entity varchar, session_id varchar, key varchar,
    column_name varchar,  -- NULL: the whole row stands on one side only
    expected varchar, found varchar
)
