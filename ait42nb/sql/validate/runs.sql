-- How many rows the last merges found different in the two stores. SQLite. in: migration_runs
-- out: run_id, finished_at, drift; the newest first. The first run of all put everything in: that is no drift.
select
    run_id,
    finished_at,
    (
        select sum(value)
        from json_tree(summary, '$.balance')
        where key in ('inserted', 'updated', 'database_newer')
    ) as drift
from migration_runs
where kind = 'migrate'
  and finished_at is not null
  and run_id > (select min(run_id) from migration_runs where kind = 'migrate')
order by run_id desc
limit 20
