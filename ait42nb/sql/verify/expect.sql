-- Adds the batch's rows to `expected`. DuckDB. in: source_sessions, source_instances, source_messages
select 'session' as entity, session_id, '' as key, 0 as place, hash(
        workspace_path, type, task, status, created_at, updated_at, completed_at, model, timeout_seconds,
        preserve_worktrees, winner_id, runtime_mix, total_duration, total_files_changed, total_lines_added,
        total_lines_deleted, instance_count, message_count
    ) as value_hash
from source_sessions

union all
select 'instance', session_id, instance_id::varchar, position, hash(
        worktree_path, branch, agent_name, status, tmux_session_id, output, start_time, end_time,
        files_changed, lines_added, lines_deleted, runtime, model, runtime_label
    )
from source_instances

union all
select 'message', session_id, id, position, hash(
        role, content, timestamp, instance_id
    )
from source_messages
