-- get_instances_by_session: a session's instances by their number.
-- SQLite. in: instances, $session_id   out: the fields of InstanceRow
select
  id, session_id, instance_id, worktree_path, branch, agent_name, status, tmux_session_id, output,
  start_time, end_time, files_changed, lines_added, lines_deleted, runtime, model, runtime_label
from instances
where session_id = $session_id
order by instance_id
