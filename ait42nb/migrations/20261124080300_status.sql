-- Where the migration stands, in one row, for whoever must decide: an editor that would show an empty history, a person
-- who would end the dual writing.
-- SQLite (3.34 or newer), run by ait42nb or by sqlx as it stands.

create view migration_status as
with finished as (
  select run_id, finished_at, outcome, summary, row_number() over (order by run_id desc) as back
  from migration_runs
  where kind = 'migrate' and finished_at is not null
),

last as (
  select * from finished where back = 1
),

clean as (
  -- since the last run that was not
  select run_id, finished_at
  from finished
  where back < coalesce((select min(back) from finished where outcome <> 'ok'), (select count(*) + 1 from finished))
)

select
  -- not_migrated: do not show an empty history for the truth. held: somebody should look. migrated: all is in
  coalesce((select iif(outcome = 'ok', 'migrated', 'held') from last), 'not_migrated') as phase,
  (select run_id from last) as last_run,
  (select finished_at from last) as last_verified_at,       -- a run that is not verified publishes nothing
  (select count(*) from clean) as clean_runs,               -- in a row, up to now
  (select count(distinct date(finished_at)) from clean) as clean_days,  -- on so many days, UTC
  (
    select count(*) from migration_rejects
    where reason not in ('shadowed_duplicate', 'superseded', 'conflict', 'deleted_in_database')
  ) as held,                                                -- files and records
  (select count(*) from migration_rejects where reason = 'conflict') as conflicts,  -- versions kept, of all runs
  (
    select coalesce(sum(value), 0) from json_tree((select summary from last), '$.balance')
    where key in ('inserted', 'updated', 'database_newer')
  ) as drift;                                               -- rows in which the two stores differed when it came
