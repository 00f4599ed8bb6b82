-- The instances of suspect sessions as they stand in one table. DuckDB. in: suspects, $table (source_instances or stored_instances)
-- out: _key, then the table's columns
select instance_id::varchar as _key, t.*
from query_table($table) as t
semi join suspects on suspects.entity = 'instance' and suspects.session_id = t.session_id
