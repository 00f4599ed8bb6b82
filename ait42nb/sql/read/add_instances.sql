-- Adds a batch's instances to the table of all of them: those of records that are in order.
-- DuckDB. in: batch_instances, batch_records   out: rows of instances
select batch_instances.* exclude (in_order)
from batch_instances
semi join (select file_no, ordinal from batch_records where in_order) using (file_no, ordinal)
