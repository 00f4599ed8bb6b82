-- Records a retention that begins; it has no end before it is done. SQLite.
insert into migration_runs (run_id, kind, started_at, kit_version)
values ($run_id, 'retention', $started_at, $kit_version)
