-- What staging.chat_messages is to hold. DuckDB. in: messages, message_rows
--
-- Not sorted: messages stand in the order in which they were read, a session's in its own, and the rowids follow it.
-- Side by side instead of joined, because a join may change the order.
select message_rows.id, session_id, instance_id_ref, role, content, timestamp
from messages
positional join message_rows
where session_id is not null
