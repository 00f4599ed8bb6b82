-- The sessions that were looked at one by one, as plain `json` reads them. DuckDB. in: $path, $largest   out: as source_sessions
select * replace (to_json(runtime_mix)::varchar as runtime_mix)
from read_json($path, format = 'newline_delimited', maximum_object_size = $largest, columns = {
    session_id: 'varchar', workspace_path: 'varchar', type: 'varchar', task: 'varchar', status: 'varchar',
    created_at: 'varchar', updated_at: 'varchar', completed_at: 'varchar', model: 'varchar', timeout_seconds: 'bigint',
    preserve_worktrees: 'bigint', winner_id: 'bigint', runtime_mix: 'varchar[]', total_duration: 'bigint',
    total_files_changed: 'bigint', total_lines_added: 'bigint', total_lines_deleted: 'bigint',
    instance_count: 'bigint', message_count: 'bigint'
})
