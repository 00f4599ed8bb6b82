-- chat_messages: what a batch adds to staging.chat_messages. DuckDB. in: batch, places, records, odd; $rows, its message_rows
-- $straightened: whether these are the records that were put in order, or those that needed none
--
-- Not sorted: messages stand in the order in which they are read, a session's in its own, and the rowids follow it. Side
-- by side instead of joined, because a join may change the order. A table of its own, because only DuckDB's own tables
-- are sure to be written in that order.
select id, session_id, instance_id_ref, message.role, message.content, message.timestamp
from (
    select unnest(record.chatHistory) as message
    from (select rowid as element, record from batch)
    join places using (element)
    semi join (select file_no, ordinal from records where in_order) using (file_no, ordinal)
    where exists (from odd where odd.file_no = places.file_no and odd.ordinal = places.ordinal) = $straightened
)
positional join (select id, session_id, instance_id_ref from query_table($rows))
where session_id is not null
