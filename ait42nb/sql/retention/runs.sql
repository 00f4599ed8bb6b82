-- The runs, and whether each is a migration that ended and proved what it published. SQLite.
-- out: run_id, started_at, finished_at, verified
select
    run_id, started_at, finished_at,
    kind = 'migrate' and finished_at is not null and outcome in ('ok', 'held') and coalesce(
        json_extract(case when json_valid(summary) then summary end, '$.validation.is_valid'), 0
    ) as verified
from migration_runs
