-- insert_instances: stores an instance of the guide's database under the id that messages refer to.
-- SQLite. in: one parameter a column   out: instances
insert into instances (
  id, session_id, instance_id, worktree_path, branch, agent_name, status, tmux_session_id, output, start_time,
  end_time, files_changed, lines_added, lines_deleted, runtime, model, runtime_label
)
values (
  $id, $session_id, $instance_id, $worktree_path, $branch, $agent_name, $status, $tmux_session_id, $output,
  $start_time, $end_time, $files_changed, $lines_added, $lines_deleted, $runtime, $model, $runtime_label
)
