-- An instance as it is stored. SQLite. in: $session_id, $instance_id   out: the columns that are merged
select
    worktree_path, branch, agent_name, status, tmux_session_id, output, start_time, end_time,
    files_changed, lines_added, lines_deleted, runtime, model, runtime_label
from main.instances
where session_id = $session_id and instance_id = $instance_id
