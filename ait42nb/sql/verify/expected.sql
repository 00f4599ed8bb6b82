-- expected: what is to be stored of each session, summed up; order_sum tells whether rows changed places. DuckDB, empty at first.
create or replace table expected (
    entity varchar, session_id varchar, row_count bigint, values_sum hugeint, order_sum hugeint
)
