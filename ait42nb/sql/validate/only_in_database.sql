-- Sessions that only the database has. SQLite. in: main, ours (the staging file)   out: session_id
select id as session_id
from main.sessions
where id not in (select id from ours.sessions)
  and id not in (select key from ours.migration_rejects where entity = 'session' and key is not null)
order by id
