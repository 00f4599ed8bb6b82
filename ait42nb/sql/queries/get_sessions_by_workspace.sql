-- get_sessions_by_workspace: a workspace's sessions, the newest first.
-- SQLite. in: sessions, $workspace_path   out: the fields of SessionRow
select
  id, workspace_path, type, task, status, created_at, updated_at, completed_at, model,
  timeout_seconds, preserve_worktrees, winner_id, runtime_mix, total_duration, total_files_changed,
  total_lines_added, total_lines_deleted, instance_count, message_count
from sessions
where workspace_path = $workspace_path
order by created_at desc, rowid
