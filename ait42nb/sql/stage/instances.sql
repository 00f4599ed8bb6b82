-- What staging.instances is to hold, each row with its number. DuckDB. in: instances, accepted
select
    row_id as id, session_id, instance.instance_id, worktree_path, branch, agent_name, status, tmux_session_id,
    output, start_time, end_time, files_changed, lines_added, lines_deleted, runtime, model, runtime_label
from instances as instance
join accepted using (file_no, ordinal)
