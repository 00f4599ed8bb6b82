-- The number of the last write to a session. SQLite. in: $session_id   out: touch_id
select touch_id from main.migration_touched where session_id = $session_id
