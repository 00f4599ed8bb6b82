-- instances: a session's instances under their keys in JSON, in the editor's order. SQLite. in: instances, $session_id
select
    instance_id     as "instanceId",
    worktree_path   as "worktreePath",
    branch,
    agent_name      as "agentName",
    status,
    tmux_session_id as "tmuxSessionId",
    output,
    start_time      as "startTime",
    end_time        as "endTime",
    files_changed   as "filesChanged",
    lines_added     as "linesAdded",
    lines_deleted   as "linesDeleted",
    runtime,
    model,
    runtime_label   as "runtimeLabel"
from instances
where session_id = $session_id
order by id
