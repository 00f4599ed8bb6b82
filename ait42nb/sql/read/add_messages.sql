-- Adds a batch's messages to the table of all of them: those of records that are in order.
-- DuckDB. in: batch_messages, batch_records   out: rows of messages
select batch_messages.* exclude (in_order)
from batch_messages
semi join (select file_no, ordinal from batch_records where in_order) using (file_no, ordinal)
