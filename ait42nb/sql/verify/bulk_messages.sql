-- bulk_messages: the messages of the accepted sessions that were read in bulk, as they are to be stored. DuckDB.
-- in: bulk, messages, renamed_messages, instances
-- out: columns as in the target, of the content its MD5; instance_id is the number that it names, NULL where its session has
-- no such instance; position in its session, from 0
select
    coalesce(renamed.id, message.id) as id, session_id, position, role, content_md5, timestamp, instance.instance_id
from messages as message
join bulk using (file_no, ordinal)
left join renamed_messages as renamed using (file_no, ordinal, position)
left join (select file_no, ordinal, instance_id from instances) as instance
    on instance.file_no = message.file_no and instance.ordinal = message.ordinal
    and instance.instance_id = message.instance_id
