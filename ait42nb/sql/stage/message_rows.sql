-- message_rows: what each message of a batch gets beside its own values: session, id, and the row of the instance that it names.
-- DuckDB. in: $part, the batch's part of messages; accepted, renamed_messages, instance_rows
-- out: one row a message, in the order of the part; session_id is NULL where its record does not go in
select
    session_id,
    coalesce(renamed.id, message.id) as id,
    renamed.id is not null as renamed,
    instance_rows.row_id as instance_id_ref
from (select file_no, ordinal, position, id, instance_id from query_table($part)) as message
left join accepted using (file_no, ordinal)
left join renamed_messages as renamed using (file_no, ordinal, position)
left join instance_rows
    on instance_rows.file_no = message.file_no and instance_rows.ordinal = message.ordinal
    and instance_rows.instance_id = message.instance_id
order by message.file_no, message.ordinal, message.position
