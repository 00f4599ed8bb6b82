-- Notes which files are no longer there. SQLite. in: $found, JSON list of source paths; $run_id
update migration_files
set state = 'gone', run_id = $run_id
where state <> 'gone' and source_path not in (select value from json_each($found))
