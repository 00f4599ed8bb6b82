-- get_session_of_message: the session that a message's id belongs to.
-- SQLite. in: chat_messages, $id   out: session_id
select session_id
from chat_messages
where id = $id
