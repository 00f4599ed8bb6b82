-- Adds a batch's messages to staging.chat_messages, in their order. DuckDB. in: $part, their table
select id, session_id, instance_row as instance_id_ref, role, content, timestamp
from query_table($part)
