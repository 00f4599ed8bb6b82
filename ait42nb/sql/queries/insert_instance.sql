-- insert_instance: stores an instance, or brings every column of the stored one up to date.
-- SQLite. in: $ and the name of each column   out: instances
--
-- An equal one does not even reach the INSERT, because every attempt uses up an id.
insert into instances (
  session_id, instance_id, worktree_path, branch, agent_name, status, tmux_session_id, output,
  start_time, end_time, files_changed, lines_added, lines_deleted, runtime, model, runtime_label
)
select
  $session_id, $instance_id, $worktree_path, $branch, $agent_name, $status, $tmux_session_id,
  $output, $start_time, $end_time, $files_changed, $lines_added, $lines_deleted, $runtime, $model,
  $runtime_label
where not exists (
  select 1 from instances
  where session_id = $session_id and instance_id = $instance_id
    and (
      worktree_path, branch, agent_name, status, tmux_session_id, output, start_time, end_time,
      files_changed, lines_added, lines_deleted, runtime, model, runtime_label
    ) is (
      $worktree_path, $branch, $agent_name, $status, $tmux_session_id, $output, $start_time,
      $end_time, $files_changed, $lines_added, $lines_deleted, $runtime, $model, $runtime_label
    )
)
on conflict (session_id, instance_id) do update set
  worktree_path = excluded.worktree_path,
  branch = excluded.branch,
  agent_name = excluded.agent_name,
  status = excluded.status,
  tmux_session_id = excluded.tmux_session_id,
  output = excluded.output,
  start_time = excluded.start_time,
  end_time = excluded.end_time,
  files_changed = excluded.files_changed,
  lines_added = excluded.lines_added,
  lines_deleted = excluded.lines_deleted,
  runtime = excluded.runtime,
  model = excluded.model,
  runtime_label = excluded.runtime_label
