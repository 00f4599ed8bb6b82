-- Where the migration stands, and when a restore was last tried. SQLite. in: migration_status, migration_runs
select
    *,
    (select max(finished_at) from migration_runs where kind = 'drill' and outcome = 'ok') as last_drill
from migration_status
