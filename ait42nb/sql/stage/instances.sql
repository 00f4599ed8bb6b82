-- What staging.instances is to hold. DuckDB. in: instances, accepted, instance_rows
select
    row_id as id, session_id, instance.instance_id, worktree_path, branch, agent_name, status, tmux_session_id,
    output, start_time, end_time, files_changed, lines_added, lines_deleted, runtime, model, runtime_label
from instance_rows
join instances as instance using (file_no, ordinal, position)
join accepted using (file_no, ordinal)
order by row_id
