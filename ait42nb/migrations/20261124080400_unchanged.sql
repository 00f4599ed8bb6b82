-- By what a run knows which files it need not read again: those in which neither store has changed since the last one.
-- SQLite (3.34 or newer), run by ait42nb or by sqlx as it stands.

-- The books of each file as the next run will find them if nothing changes.
create table migration_settled (
  source_path TEXT PRIMARY KEY NOT NULL,  -- as in migration_files
  balance     TEXT NOT NULL               -- JSON, as in migration_files
);

-- Which sessions somebody has written to since a run last compared them with JSON.
create table migration_touched (
  touch_id   INTEGER PRIMARY KEY AUTOINCREMENT,  -- grows with every write, and is never given out twice
  session_id TEXT NOT NULL UNIQUE                -- sessions.id; the session itself may be gone
);

-- What comes and goes in a session changes its counts, so it shows as an update of the session. Each trigger deletes before
-- it inserts, because a writer's OR REPLACE or OR IGNORE reaches into triggers.
create trigger sessions_touch_after_insert after insert on sessions begin
  delete from migration_touched where session_id = new.id;
  insert into migration_touched (session_id) values (new.id);
end;

create trigger sessions_touch_after_update after update on sessions begin
  delete from migration_touched where session_id in (old.id, new.id);
  insert into migration_touched (session_id) select old.id union select new.id;
end;

create trigger sessions_touch_after_delete after delete on sessions begin
  delete from migration_touched where session_id = old.id;
  insert into migration_touched (session_id) values (old.id);
end;

create trigger instances_touch_after_update after update on instances begin
  delete from migration_touched where session_id in (old.session_id, new.session_id);
  insert into migration_touched (session_id) select old.session_id union select new.session_id;
end;

create trigger chat_messages_touch_after_update after update on chat_messages begin
  delete from migration_touched where session_id in (old.session_id, new.session_id);
  insert into migration_touched (session_id) select old.session_id union select new.session_id;
end;
