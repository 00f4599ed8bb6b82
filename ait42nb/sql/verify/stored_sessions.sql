-- stored_sessions: the sessions as they stand in the staging file. DuckDB. in: staging   out: columns as source_sessions
select
    id as session_id, workspace_path, type, task, status, created_at, updated_at, completed_at, model, timeout_seconds,
    preserve_worktrees, winner_id, runtime_mix, total_duration, total_files_changed, total_lines_added,
    total_lines_deleted, instance_count, message_count
from staging.sessions
