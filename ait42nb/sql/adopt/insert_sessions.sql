-- insert_sessions: stores a session of the guide's database; the counts are counted anew.
-- SQLite. in: one parameter a column   out: sessions
insert into sessions (
  id, workspace_path, type, task, status, created_at, updated_at, completed_at, model, timeout_seconds,
  preserve_worktrees, winner_id, runtime_mix, total_duration, total_files_changed, total_lines_added,
  total_lines_deleted
)
values (
  $id, $workspace_path, $type, $task, $status, $created_at, $updated_at, $completed_at, $model, $timeout_seconds,
  -- as in JSON, nothing said means no
  coalesce($preserve_worktrees, 0), $winner_id, $runtime_mix, $total_duration, $total_files_changed,
  $total_lines_added, $total_lines_deleted
)
