-- beyond: what the columns cannot say of the messages that were read in bulk.
-- DuckDB. in: bulk, messages, renamed_messages   out: session_id, key, document
--
-- They have no unknown keys: only ids that are taken, and instances that there are not.
select
    session_id,
    coalesce(renamed.id, message.id) as key,
    concat('{', concat_ws(',',
        if(renamed.id is not null, '"id":' || to_json(message.id)::varchar, null),
        if(instance_row is null and instance_id is not null, '"instanceId":' || instance_id, null)
    ), '}') as document
from messages as message
join bulk using (file_no, ordinal)
left join renamed_messages as renamed using (file_no, ordinal, position)
where renamed.id is not null or (instance_row is null and instance_id is not null)
