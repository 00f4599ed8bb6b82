-- stored_messages: the stored messages of ambiguous ids, with what they say. DuckDB.
-- in: stored, stored_renames, ambiguous_ids
-- out: session_id, own_id, id, moment_hash (as that of messages); nth tells those of one value apart
with message as (
    select session_id, own_id, id from stored_renames
    union all
    select session_id, id, id
    from (select id, session_id from stored.chat_messages)
    semi join (select session_id, own_id as id from ambiguous_ids) using (session_id, id)
    anti join stored_renames using (id)
)

select
    session_id, own_id, id,
    message_hash(role, content, moment(timestamp)) as moment_hash,
    row_number() over (partition by session_id, own_id, moment_hash order by encode(id)) as nth
from (select id, role, content, timestamp from stored.chat_messages)
join message using (id)
