-- message_residue: what the columns cannot say of messages. DuckDB. in: messages, accepted, renamed_messages, residue
-- out: one row a message that has any
--
-- Its own id where it is stored under another, the number of an instance that there is not, and its unknown keys.
select
    session_id,
    coalesce(renamed.id, messages.id) as id,
    concat('{', concat_ws(',',
        if(renamed.id is not null, '"id":' || to_json(messages.id)::varchar, null),
        if(instance_id is not null and instance_row is null, '"instanceId":' || instance_id, null),
        nullif(substr(document, 2, len(document) - 2), '')
    ), '}') as document
from messages
join accepted using (file_no, ordinal)
left join renamed_messages as renamed using (file_no, ordinal, position)
left join (select * from residue where entity = 'message') as residue using (file_no, ordinal, position)
where renamed.id is not null or document is not null or (instance_id is not null and instance_row is null)
