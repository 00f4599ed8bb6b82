-- Records how a retention ended. SQLite.
update migration_runs
set finished_at = strftime('%Y-%m-%dT%H:%M:%fZ'), outcome = $outcome, summary = $summary
where run_id = $run_id
