-- insert_chat_messages: stores a message of the guide's database.
-- SQLite. in: one parameter a column   out: chat_messages
insert into chat_messages (id, session_id, instance_id_ref, role, content, timestamp)
values ($id, $session_id, $instance_id_ref, $role, $content, $timestamp)
