-- Adds to `beyond` what the columns cannot say of a batch's messages, read once more like `source_messages`.
-- DuckDB. in: batch, places, bulk, renamed_messages
--
-- What was read in bulk has no unknown keys: only ids that are taken, and instances that there are not.
select
    session_id,
    coalesce(renamed.id, message.id) as key,
    concat('{', concat_ws(',',
        if(renamed.id is not null, '"id":' || to_json(message.id)::varchar, null),
        if(unknown, '"instanceId":' || message.instanceId, null)
    ), '}') as document
from (
    select element, position, message, message.instanceId is not null and not list_contains(numbers, message.instanceId) as unknown
    from (
        select
            rowid as element,
            generate_subscripts(record.chatHistory, 1) - 1 as position,
            unnest(list_transform(record.chatHistory, lambda m: {'id': m.id, 'instanceId': m.instanceId})) as message,
            list_transform(record.instances, lambda i: i.instanceId) as numbers
        from batch
    )
)
join places using (element)
join bulk using (file_no, ordinal)
left join renamed_messages as renamed using (file_no, ordinal, position)
where renamed.id is not null or unknown
