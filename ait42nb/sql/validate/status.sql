-- Where the migration stands. SQLite. in: migration_status   out: its columns
select phase, last_run, last_verified_at, clean_runs, held, conflicts, drift from migration_status
