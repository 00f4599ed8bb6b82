-- stored_values: what stands in the messages of which a session has several under one id of their own, here or there.
-- DuckDB. in: messages, accepted, stored, stored_messages
-- out: session_id, own_id, id, moment_hash (as that of messages); nth tells those of one value apart
with ambiguous as (
    select session_id, own_id from stored_messages group by all having count(*) > 1
    union
    select session_id, messages.id from messages join accepted using (file_no, ordinal)
    where provisional
    group by all
    having count(*) > 1
)

select
    session_id, own_id, message.id,
    message_hash(role, content, moment(timestamp)) as moment_hash,
    row_number() over (partition by session_id, own_id, moment_hash order by encode(message.id)) as nth
from (select id, role, content, timestamp from stored.chat_messages) as message
join stored_messages using (id)
semi join ambiguous using (session_id, own_id)
