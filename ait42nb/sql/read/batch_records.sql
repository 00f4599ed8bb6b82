-- batch_records: each element of a batch as a whole: in order, or to be looked at one by one.
-- DuckDB. in: batch, places; $repeats: what repeats was looked at
-- $instances, $messages: how many rows there are before; NULL for messages that are not to land
-- out: one row an element, in the order of the batch; first_instance, first_message: the rows that its first ones get
--
-- Set aside is also what only repeats: a second element of one id in its file (its text goes to the rejects), and a
-- session in which two instances or two messages share an id. Of messages that do, those that are left are different
-- ones, and each gets an id of its own; of instances that do, none may go in.
with facts as (
    select
        rowid as element,
        record.id as id,
        len(record.instances) as instances,
        len(record.chatHistory) as messages,
        exact
        and record.id is not null and record.type is not null and record.task is not null
        and record.status in ('running', 'completed', 'failed', 'paused')
        and record.createdAt is not null and record.updatedAt is not null
        and is_read_whole(record.timeoutSeconds) and is_read_whole(record.winnerId)
        and coalesce(record.totalDuration >= 0, true) and is_read_whole(record.totalFilesChanged)
        and is_read_whole(record.totalLinesAdded) and is_read_whole(record.totalLinesDeleted)
        and not list_contains(list_transform(record.runtimeMix, lambda runtime: runtime is null), true) is true
        and len(list_filter(record.instances, lambda i: not (
            i.instanceId is not null and is_read_whole(i.instanceId)
            and i.worktreePath is not null and i.branch is not null and i.agentName is not null
            and i.status is not null and i.tmuxSessionId is not null
            and is_read_whole(i.filesChanged) and is_read_whole(i.linesAdded) and is_read_whole(i.linesDeleted)
        ))) = 0
        and len(list_filter(record.chatHistory, lambda m: not (
            m.id is not null and m.role is not null and m.content is not null and m.timestamp is not null
            and is_read_whole(m.instanceId)
        ))) = 0
        and list_unique(list_transform(record.instances, lambda i: i.instanceId)) = len(record.instances)
        and ($repeats or list_unique(list_transform(record.chatHistory, lambda m: m.id)) = len(record.chatHistory))
            as fine
    from batch
)

select
    element, file_no, ordinal, id, instances, messages, in_order,
    1 + $instances + coalesce(sum(if(in_order, instances, 0)) over before_it, 0)::bigint as first_instance,
    1 + $messages::bigint + coalesce(sum(if(in_order, messages, 0)) over before_it, 0)::bigint as first_message
from (
    select
        *,
        coalesce(
            fine and ($repeats or row_number() over (partition by file_no, id order by ordinal) = 1), false
        ) as in_order
    from facts
    join places using (element)
)
window before_it as (order by element rows between unbounded preceding and current row exclude current row)
order by element
