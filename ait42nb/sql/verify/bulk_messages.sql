-- bulk_messages: the messages of the accepted sessions that were read in bulk, as they are to be stored. DuckDB.
-- in: bulk, messages, renamed_messages
-- out: id, session_id, position (in its session, from 0), value_hash (of role, content and timestamp), instance_id (the
-- number that it names, NULL where its session has no such instance)
select
    coalesce(renamed.id, message.id) as id, session_id, position, value_hash,
    if(instance_row is null, null, instance_id) as instance_id
from messages as message
join bulk using (file_no, ordinal)
left join renamed_messages as renamed using (file_no, ordinal, position)
