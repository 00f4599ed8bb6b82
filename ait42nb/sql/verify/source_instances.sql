-- source_instances: the values that each accepted instance of the batch has in its source.
-- DuckDB. in: batch, places, bulk   out: columns as in the target; position in its session, from 0
select
    session_id, instance.instanceId as instance_id, position,
    instance.worktreePath as worktree_path, instance.branch, instance.agentName as agent_name, instance.status,
    instance.tmuxSessionId as tmux_session_id, instance.output,
    instance.startTime as start_time, instance.endTime as end_time,
    instance.filesChanged as files_changed, instance.linesAdded as lines_added, instance.linesDeleted as lines_deleted,
    instance.runtime, instance.model, instance.runtimeLabel as runtime_label
from (
    select rowid as element, generate_subscripts(record.instances, 1) - 1 as position, unnest(record.instances) as instance
    from batch
)
join places using (element)
join bulk using (file_no, ordinal)
