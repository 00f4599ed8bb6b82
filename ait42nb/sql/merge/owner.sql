-- Whose message has an id. SQLite. in: $id   out: session_id
select session_id from main.chat_messages where id = $id
