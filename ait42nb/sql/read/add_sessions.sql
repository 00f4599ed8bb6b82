-- Adds a batch's sessions to the table of all of them: those of records that are in order.
-- DuckDB. in: batch_sessions, batch_records   out: rows of sessions
select batch_sessions.* exclude (in_order)
from batch_sessions
semi join (select file_no, ordinal from batch_records where in_order) using (file_no, ordinal)
