-- As odd_sessions, their instances. DuckDB. in: $path, $largest   out: as source_instances
select * from read_json($path, format = 'newline_delimited', maximum_object_size = $largest, columns = {
    session_id: 'varchar', instance_id: 'bigint', position: 'bigint', worktree_path: 'varchar', branch: 'varchar',
    agent_name: 'varchar', status: 'varchar', tmux_session_id: 'varchar', output: 'varchar',
    start_time: 'varchar', end_time: 'varchar', files_changed: 'bigint', lines_added: 'bigint', lines_deleted: 'bigint',
    runtime: 'varchar', model: 'varchar', runtime_label: 'varchar'
})
