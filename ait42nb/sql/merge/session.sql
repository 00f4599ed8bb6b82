-- A session as JSON has it, and as the database has it. SQLite. in: $session_id   out: side, then the columns that are merged
select 'ours' as side,
    workspace_path, type, task, status, created_at, updated_at, completed_at, model, timeout_seconds, preserve_worktrees,
    winner_id, runtime_mix, total_duration, total_files_changed, total_lines_added, total_lines_deleted
from ours.sessions
where id = $session_id
union all
select 'theirs',
    workspace_path, type, task, status, created_at, updated_at, completed_at, model, timeout_seconds, preserve_worktrees,
    winner_id, runtime_mix, total_duration, total_files_changed, total_lines_added, total_lines_deleted
from main.sessions
where id = $session_id
