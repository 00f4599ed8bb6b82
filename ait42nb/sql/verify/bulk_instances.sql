-- bulk_instances: the instances of the accepted sessions that were read in bulk, as they are to be stored. DuckDB.
-- in: bulk, instances   out: columns as in the target; position in its session, from 0
select session_id, instance.* exclude (file_no, ordinal, row_id)
from instances as instance
join bulk using (file_no, ordinal)
