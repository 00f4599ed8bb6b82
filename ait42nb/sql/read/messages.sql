-- A batch's messages, a part of all of them: those of records that are in order. DuckDB. in: batch, batch_records
-- out: columns as messages, and until they have landed session_id, role, content and timestamp; one row a message, in the
-- order of the batch
with message as (
    select
        file_no, ordinal, position, session_id,
        message.id, message.role, message.content, message.timestamp, message.instanceId as instance_id,
        first_instance + nullif(list_position(numbers, message.instanceId), 0) - 1 as instance_row,
        first_message + position as row_id
    from (
        select
            file_no, ordinal, id as session_id, first_instance, first_message,
            list_transform(record.instances, lambda i: i.instanceId) as numbers,
            generate_subscripts(record.chatHistory, 1) - 1 as position,
            unnest(record.chatHistory) as message
        from (select record from batch)
        positional join batch_records
        where in_order
    )
),

-- Nearly all times are plain: so each is looked at once, although three columns want to know.
looked_at as (
    select *, if(plain, timestamp, moment(timestamp)) as moment
    from (select *, is_plain_time(timestamp) as plain from message)
)

select
    * exclude (plain, moment),
    message_hash(role, content, timestamp) as value_hash,
    message_hash(role, content, moment) as moment_hash,
    -- As `merge` computes it too.
    fingerprint(concat(
        if(instance_row is null, null, instance_id), '|', strlen(role), '|', strlen(content), '|', role, content, moment
    )) as print,
    if(plain, try_cast(timestamp as timestamp) is not null, is_rfc3339(timestamp)) as timed,
    role in ('user', 'assistant', 'system') as known_role
from looked_at
