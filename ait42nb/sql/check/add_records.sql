-- Adds the records that were looked at one by one: in order if their session could be read in bulk in the end.
-- DuckDB. in: odd, sessions   out: rows of records
select odd.*, sessions.file_no is not null as in_order
from odd
left join sessions on sessions.file_no = odd.file_no and sessions.ordinal = odd.ordinal
