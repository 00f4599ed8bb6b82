-- source_messages: the values that each accepted message of the batch has in its source, under the id that it got.
-- DuckDB. in: batch, places, bulk, renamed_messages   out: columns as in the target; instance_id is the number that
-- it names, NULL where its session has no such instance; position in its session, from 0
select
    coalesce(renamed.id, message.id) as id,
    session_id, position,
    message.role, message.content, message.timestamp,
    if(list_contains(instance_ids, message.instanceId), message.instanceId, null) as instance_id
from (
    select
        rowid as element,
        generate_subscripts(record.chatHistory, 1) - 1 as position,
        unnest(record.chatHistory) as message,
        list_transform(record.instances, lambda i: i.instanceId) as instance_ids
    from batch
)
join places using (element)
join bulk using (file_no, ordinal)
left join renamed_messages as renamed using (file_no, ordinal, position)
