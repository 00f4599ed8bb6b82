-- Adds a batch's records that are in order to the table of all of them.
-- DuckDB. in: batch_records; $sums, the SHA-256 of the text of each, in their order, with blanks between   out: rows of records
select file_no, ordinal, id, sha256, instances, messages, true as in_order
from (select * from batch_records where in_order)
positional join (select unnest(string_split($sums, ' ')) as sha256)
