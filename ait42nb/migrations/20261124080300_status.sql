-- Where the migration stands, for whoever must decide: an editor that would show an empty history, a person who would end
-- the dual writing.
-- SQLite (3.34 or newer), run by ait42nb or by sqlx as it stands.

create view migration_status as
with finished as (
  select run_id, finished_at, outcome, summary, row_number() over (order by run_id desc) as back
  from migration_runs
  where kind = 'migrate' and finished_at is not null
),

clean as (
  -- the runs since the last one that was not clean
  select count(*) as runs
  from finished
  where back < coalesce((select min(back) from finished where outcome <> 'ok'), (select count(*) + 1 from finished))
)

select
  case
    when not exists (select 1 from finished) then 'not_migrated'  -- do not show an empty history for the truth
    when (select outcome from finished where back = 1) <> 'ok' then 'held'
    else 'migrated'
  end as phase,
  (select run_id from finished where back = 1) as last_run,
  (select finished_at from finished where back = 1) as last_verified_at,
  (select runs from clean) as clean_runs,  -- in a row, up to now
  (
    select count(*) from migration_rejects
    where reason not in ('shadowed_duplicate', 'superseded', 'conflict', 'deleted_in_database')
  ) as held,
  (select count(*) from migration_rejects where reason = 'conflict') as conflicts,  -- ever
  -- sessions in which the two stores differed when the last run came
  coalesce((
    select json_extract(summary, '$.balance.sessions.inserted') + json_extract(summary, '$.balance.sessions.updated')
      + json_extract(summary, '$.balance.sessions.database_newer')
    from finished where back = 1
  ), 0) as drift;
