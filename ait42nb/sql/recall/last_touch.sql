-- The number of the last write that this run knows of. SQLite. out: touch_id
select coalesce(max(touch_id), 0) as touch_id from migration_touched
