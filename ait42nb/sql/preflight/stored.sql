-- stored: how many sessions the database holds, and how many runs over it were cut off.
-- SQLite. in: sessions, migration_runs   out: sessions, unfinished
select
  (select count(*) from sessions) as sessions,
  (select count(*) from migration_runs where finished_at is null) as unfinished
