-- A batch's messages, a part of all of them: those of records that are in order.
-- DuckDB. in: batch, batch_records   out: as messages; position counts from 0 in its session
select
    file_no,
    ordinal,
    position,
    message.id,
    message.role,
    md5(message.content) as content_md5,
    message.timestamp,
    message.instanceId as instance_id
from (
    select
        file_no, ordinal,
        generate_subscripts(record.chatHistory, 1) - 1 as position,
        unnest(record.chatHistory) as message
    from (select record from batch)
    positional join batch_records
    where in_order
)
