-- The last runs and what they found different in the two stores. SQLite. in: migration_runs
-- out: run_id, finished_at, kind, outcome, drift (sessions)
select
    run_id, finished_at, kind, outcome,
    json_extract(summary, '$.balance.sessions.inserted') + json_extract(summary, '$.balance.sessions.updated')
        + json_extract(summary, '$.balance.sessions.database_newer') as drift
from migration_runs
where finished_at is not null
order by run_id desc
limit 30
