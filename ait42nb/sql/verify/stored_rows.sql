-- stored_rows: a hash of all values of each row that is stored. DuckDB.
-- in: stored_sessions, stored_instances, stored_messages (views of the staging file)
-- out: entity, session_id, key, row_id, value_hash
select 'session' as entity, session_id, '' as key, 0 as row_id, hash(
        workspace_path, type, task, status, created_at, updated_at, completed_at, model, timeout_seconds,
        preserve_worktrees, winner_id, runtime_mix, total_duration, total_files_changed, total_lines_added,
        total_lines_deleted, instance_count, message_count
    ) as value_hash
from stored_sessions

union all
select 'instance', session_id, instance_id::varchar, row_id, hash(
        instance_id, worktree_path, branch, agent_name, status, tmux_session_id, output, start_time, end_time,
        files_changed, lines_added, lines_deleted, runtime, model, runtime_label
    )
from stored_instances

union all
select 'message', session_id, id, row_id, hash(
        id, message_hash(role, content, timestamp), instance_id
    )
from stored_messages
