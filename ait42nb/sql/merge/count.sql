-- Counts a session's rows once. SQLite. in: $session_id
update main.sessions
set instance_count = (select count(*) from main.instances where session_id = $session_id),
    message_count = (select count(*) from main.chat_messages where session_id = $session_id)
where id = $session_id
