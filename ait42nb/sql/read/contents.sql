-- contents: a batch's messages, with all that they say: those of records that are in order. DuckDB. in: batch, batch_records
-- out: one row a message, in the order of the batch; row_id is the row that it gets, NULL where it is not to land;
-- instance_row that of the instance that it names, if there is such
select
    file_no,
    ordinal,
    position,
    first_message + position as row_id,
    session_id,
    message.id,
    message.role,
    message.content,
    message.timestamp,
    message.instanceId as instance_id,
    first_instance + nullif(list_position(numbers, message.instanceId), 0) - 1 as instance_row
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
