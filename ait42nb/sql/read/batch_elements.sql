-- What is known of each element of a batch, in their order. DuckDB. in: batch, batch_records
-- out: copy, bytes (of its text), file_no, ordinal, in_order
select copy, bytes, file_no, ordinal, in_order
from (select copy, bytes from batch)
positional join (select file_no, ordinal, in_order from batch_records)
