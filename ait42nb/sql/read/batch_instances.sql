-- batch_instances: the instances of a batch's sessions, typed, and whether each is in order.
-- DuckDB. in: batch, places   out: one row an instance; position counts from 0 in its session
select
    file_no,
    ordinal,
    position,
    integer_of(instance.instanceId) as instance_id,
    text_of(instance.worktreePath) as worktree_path,
    text_of(instance.branch) as branch,
    text_of(instance.agentName) as agent_name,
    text_of(instance.status) as status,
    text_of(instance.tmuxSessionId) as tmux_session_id,
    text_of(instance.output) as output,
    text_of(instance.startTime) as start_time,
    text_of(instance.endTime) as end_time,
    integer_of(instance.filesChanged) as files_changed,
    integer_of(instance.linesAdded) as lines_added,
    integer_of(instance.linesDeleted) as lines_deleted,
    text_of(instance.runtime) as runtime,
    text_of(instance.model) as model,
    text_of(instance.runtimeLabel) as runtime_label,
    coalesce(
        len(keys) = 15
        and instance.instanceId is not null and is_integer_or_null(instance.instanceId, 2147483647)
        and is_string(instance.worktreePath) and is_string(instance.branch) and is_string(instance.agentName)
        and is_string(instance.status) and is_string(instance.tmuxSessionId)
        and is_string_or_null(instance.output)
        and is_string_or_null(instance.startTime) and is_string_or_null(instance.endTime)
        and is_integer_or_null(instance.filesChanged, 2147483647)
        and is_integer_or_null(instance.linesAdded, 2147483647)
        and is_integer_or_null(instance.linesDeleted, 2147483647)
        and is_string_or_null(instance.runtime) and is_string_or_null(instance.model)
        and is_string_or_null(instance.runtimeLabel),
        false
    ) as in_order
from (
    select
        rowid as element,
        generate_subscripts(record.instances, 1) - 1 as position,
        unnest(record.instances) as instance,
        unnest(instance_keys) as keys
    from batch
    where record is not null
)
join places using (element)
