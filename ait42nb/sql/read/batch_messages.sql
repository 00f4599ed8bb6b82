-- batch_messages: the messages of a batch's sessions, typed, and whether each is in order.
-- DuckDB. in: batch, places   out: one row a message; position counts from 0 in its session
select
    file_no,
    ordinal,
    position,
    text_of(message.id) as id,
    text_of(message.role) as role,
    text_of(message.content) as content,
    text_of(message.timestamp) as timestamp,
    integer_of(message.instanceId) as instance_id,
    coalesce(
        len(keys) = 5
        and is_string(message.id) and is_string(message.role)
        and is_string(message.content) and is_string(message.timestamp)
        and is_integer_or_null(message.instanceId, 2147483647),
        false
    ) as in_order
from (
    select
        rowid as element,
        generate_subscripts(record.chatHistory, 1) - 1 as position,
        unnest(record.chatHistory) as message,
        unnest(message_keys) as keys
    from batch
    where record is not null
)
join places using (element)
