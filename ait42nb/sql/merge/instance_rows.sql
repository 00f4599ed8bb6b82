-- The rows of a session's instances by their numbers. SQLite. in: $session_id   out: instance_id, id
select instance_id, id from main.instances where session_id = $session_id
