-- The messages that landed but do not go in, a row a record. DuckDB. in: messages, accepted
-- out: first, last: their row_ids
select min(row_id), max(row_id)
from messages
anti join accepted using (file_no, ordinal)
where row_id is not null
group by file_no, ordinal
