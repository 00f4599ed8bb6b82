-- The sessions of suspect sessions as they stand in one table. DuckDB. in: suspects, $table (source_sessions or stored_sessions)
-- out: _key, then the table's columns
select '' as _key, t.*
from query_table($table) as t
semi join suspects on suspects.entity = 'session' and suspects.session_id = t.session_id
