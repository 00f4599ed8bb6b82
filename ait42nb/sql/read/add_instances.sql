-- Adds a batch's instances to the table of all of them: those of records that are in order.
-- DuckDB. in: batch, batch_records   out: rows of instances; position counts from 0 in its session, row_id from 1 in all
select
    file_no,
    ordinal,
    position,
    first_instance + position as row_id,
    instance.instanceId as instance_id,
    instance.worktreePath as worktree_path,
    instance.branch,
    instance.agentName as agent_name,
    instance.status,
    instance.tmuxSessionId as tmux_session_id,
    instance.output,
    instance.startTime as start_time,
    instance.endTime as end_time,
    instance.filesChanged as files_changed,
    instance.linesAdded as lines_added,
    instance.linesDeleted as lines_deleted,
    instance.runtime,
    instance.model,
    instance.runtimeLabel as runtime_label
from (
    select
        file_no, ordinal, first_instance,
        generate_subscripts(record.instances, 1) - 1 as position,
        unnest(record.instances) as instance
    from (select record from batch)
    positional join batch_records
    where in_order
)
