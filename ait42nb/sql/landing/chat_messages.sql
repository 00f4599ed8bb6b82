-- Adds a batch's messages to staging.chat_messages, in their order. DuckDB. in: $part, their table
--
-- Where another message may have the id, one that nobody else has stands in its place.
select
    if(provisional, chr(1) || row_id, id) as id, session_id, instance_row as instance_id_ref, role, content, timestamp
from query_table($part)
