-- get_chat_messages_by_session: a session's messages by time; those of one time as they were written.
-- SQLite. in: chat_messages, $session_id   out: the fields of ChatMessageRow
select
  id, session_id, instance_id_ref, role, content, timestamp
from chat_messages
where session_id = $session_id
order by timestamp, rowid
