-- insert_session: stores a session, or brings every column of the stored one up to date; an equal one is not written.
-- SQLite. in: $ and the name of each column   out: sessions
insert into sessions (
  id, workspace_path, type, task, status, created_at, updated_at, completed_at, model,
  timeout_seconds, preserve_worktrees, winner_id, runtime_mix, total_duration, total_files_changed,
  total_lines_added, total_lines_deleted
)
values (
  $id, $workspace_path, $type, $task, $status, $created_at, $updated_at, $completed_at, $model,
  $timeout_seconds, $preserve_worktrees, $winner_id, $runtime_mix, $total_duration,
  $total_files_changed, $total_lines_added, $total_lines_deleted
)
on conflict (id) do update set
  workspace_path = excluded.workspace_path,
  type = excluded.type,
  task = excluded.task,
  status = excluded.status,
  created_at = excluded.created_at,
  updated_at = excluded.updated_at,
  completed_at = excluded.completed_at,
  model = excluded.model,
  timeout_seconds = excluded.timeout_seconds,
  preserve_worktrees = excluded.preserve_worktrees,
  winner_id = excluded.winner_id,
  runtime_mix = excluded.runtime_mix,
  total_duration = excluded.total_duration,
  total_files_changed = excluded.total_files_changed,
  total_lines_added = excluded.total_lines_added,
  total_lines_deleted = excluded.total_lines_deleted
where (
  workspace_path, type, task, status, created_at, updated_at, completed_at, model,
  timeout_seconds, preserve_worktrees, winner_id, runtime_mix, total_duration,
  total_files_changed, total_lines_added, total_lines_deleted
) is not (
  excluded.workspace_path, excluded.type, excluded.task, excluded.status, excluded.created_at,
  excluded.updated_at, excluded.completed_at, excluded.model, excluded.timeout_seconds,
  excluded.preserve_worktrees, excluded.winner_id, excluded.runtime_mix, excluded.total_duration,
  excluded.total_files_changed, excluded.total_lines_added, excluded.total_lines_deleted
)
