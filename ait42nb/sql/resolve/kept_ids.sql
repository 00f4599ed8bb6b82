-- kept_ids: the messages that keep the id under which they are stored. DuckDB.
-- in: messages, accepted, stored_messages, stored_values   out: file_no, ordinal, position, id
--
-- A message is known by its session and its own id; where either side has several under one id, by its value. If then
-- one is left on each side, they belong together: it was edited.
with mine as (
    select file_no, ordinal, position, session_id, messages.id as own_id, role, content, timestamp
    from messages
    join accepted using (file_no, ordinal)
),

by_value as (
    select file_no, ordinal, position, stored_values.id
    from mine
    join stored_values using (session_id, own_id)
    where value_hash = hash(role, content, moment(timestamp))
    qualify
        row_number() over (partition by stored_values.id order by position) = 1
        and row_number() over (partition by file_no, ordinal, position order by stored_values.id) = 1
),

left_of_mine as (
    select file_no, ordinal, position, session_id, own_id
    from mine
    anti join by_value using (file_no, ordinal, position)
    qualify count(*) over (partition by session_id, own_id) = 1
),

left_of_stored as (
    select session_id, own_id, id
    from stored_messages
    anti join by_value using (id)
    qualify count(*) over (partition by session_id, own_id) = 1
)

select file_no, ordinal, position, id from by_value
union all
select file_no, ordinal, position, id from left_of_mine join left_of_stored using (session_id, own_id)
