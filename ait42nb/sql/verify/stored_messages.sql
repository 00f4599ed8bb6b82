-- stored_messages: the messages as they stand in the staging file. DuckDB. in: staging   out: columns as source_messages
select
    message.id, message.session_id, message.rowid as row_id,
    role, content, timestamp, instance_id
from staging.chat_messages as message
left join (select id, instance_id, session_id from staging.instances) as instance
    on instance.id = message.instance_id_ref and instance.session_id = message.session_id
