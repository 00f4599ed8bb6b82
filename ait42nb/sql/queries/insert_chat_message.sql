-- insert_chat_message: stores a message, or brings every column of the stored one up to date; an equal one is not
-- written, and neither is one whose id belongs to another session.
-- SQLite. in: $ and the name of each column   out: chat_messages
insert into chat_messages (
  id, session_id, instance_id_ref, role, content, timestamp
)
values (
  $id, $session_id, $instance_id_ref, $role, $content, $timestamp
)
on conflict (id) do update set
  instance_id_ref = excluded.instance_id_ref,
  role = excluded.role,
  content = excluded.content,
  timestamp = excluded.timestamp
where chat_messages.session_id = excluded.session_id
  and (instance_id_ref, role, content, timestamp) is not (
    excluded.instance_id_ref, excluded.role, excluded.content, excluded.timestamp
  )
