-- Adds a batch's messages to staging.chat_messages, in their order. DuckDB.
-- in: $contents, what they say; $part, the batch's part of messages
--
-- Where another message may have the id, one that nobody else has stands in its place.
select
    if(provisional, chr(1) || row_id, id) as id, session_id, instance_row as instance_id_ref, role, content, timestamp
from (select * exclude (file_no, ordinal, position) from query_table($contents))
positional join (select provisional from query_table($part))
