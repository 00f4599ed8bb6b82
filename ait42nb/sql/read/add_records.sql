-- Adds a batch's records that are in order to the table of all of them.
-- DuckDB. in: batch_records   out: rows of records
select file_no, ordinal, id, sha256, instances, messages, true as in_order
from batch_records
where in_order
