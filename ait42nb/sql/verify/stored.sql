-- stored: the rows of each session that are stored, summed up. DuckDB. in: stored_rows   out: as expected
--
-- A session's rows follow each other, so that a row's place is its number less that of the first. Where they do not, the
-- session is merely compared row by row.
select
    entity, session_id, count(*) as row_count, sum(value_hash) as values_sum,
    sum((value_hash >> 8)::hugeint * row_id) - min(row_id) * sum(value_hash >> 8) as order_sum
from stored_rows
group by all
