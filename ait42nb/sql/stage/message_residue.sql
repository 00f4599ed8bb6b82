-- Adds to message_residue what the columns cannot say of a batch's messages. DuckDB.
-- in: residue; $part, the batch's part of messages; $rows, its message_rows
-- out: one row a message that has any
--
-- Its own id where it is stored under another, the number of an instance that there is not, and its unknown keys.
select
    session_id,
    message_rows.id,
    concat('{', concat_ws(',',
        if(renamed, '"id":' || to_json(messages.id)::varchar, null),
        if(instance_id is not null and instance_id_ref is null, '"instanceId":' || instance_id, null),
        nullif(substr(document, 2, len(document) - 2), '')
    ), '}') as document
from (select file_no, ordinal, position, id, instance_id from query_table($part)) as messages
positional join query_table($rows) as message_rows
left join (select * from residue where entity = 'message') as residue using (file_no, ordinal, position)
where session_id is not null
  and (renamed or document is not null or (instance_id is not null and instance_id_ref is null))
