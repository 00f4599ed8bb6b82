-- stored_instances: the instances as they stand in the staging file. DuckDB. in: staging   out: columns as source_instances
select
    session_id, instance_id, id as row_id,
    worktree_path, branch, agent_name, status, tmux_session_id, output, start_time, end_time,
    files_changed, lines_added, lines_deleted, runtime, model, runtime_label
from staging.instances
