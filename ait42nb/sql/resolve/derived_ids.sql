-- The messages that do not keep their own id, in the order in which they choose another.
-- DuckDB. in: wanted_ids   out: file_no, ordinal, position, wanted_id
select file_no, ordinal, position, wanted_id
from wanted_ids
where not settled
order by age, position
