-- Records a run that is finished with this transaction. SQLite.
insert into migration_runs (run_id, kind, started_at, finished_at, kit_version, outcome, summary)
values ($run_id, $kind, $started_at, strftime('%Y-%m-%dT%H:%M:%fZ'), $kit_version, $outcome, $summary)
