-- bulk_messages: the messages of the accepted sessions that were read in bulk, as they are to be stored. DuckDB.
-- in: bulk, messages, renamed_messages
-- out: columns as in the target, of the content its hash; instance_id is the number that it names, NULL where its session has
-- no such instance; position in its session, from 0
select
    coalesce(renamed.id, message.id) as id, session_id, position, role, content_hash, timestamp,
    if(instance_row is null, null, instance_id) as instance_id
from messages as message
join bulk using (file_no, ordinal)
left join renamed_messages as renamed using (file_no, ordinal, position)
