-- The messages of suspect sessions as they stand in one table. DuckDB. in: suspects, $table (source_messages or stored_messages)
-- out: _key, then the table's columns
select id as _key, t.*
from query_table($table) as t
semi join suspects on suspects.entity = 'message' and suspects.session_id = t.session_id
