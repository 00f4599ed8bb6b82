-- Gives a stored message another role and content, if all else of it is equal; an equal one is not written.
-- SQLite. in: $ and the name of each column   out: chat_messages
--
-- Which columns a statement names, not which values change, decides which indexes SQLite writes: here none.
update chat_messages
set role = $role, content = $content
where id = $id
  and session_id = $session_id
  and instance_id_ref is $instance_id_ref
  and timestamp = $timestamp
  and (role, content) is not ($role, $content)
