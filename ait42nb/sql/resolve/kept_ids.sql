-- kept_ids: the messages of ambiguous ids that keep the id under which they are stored. DuckDB.
-- in: messages, accepted, stored_messages   out: file_no, ordinal, position, id
--
-- Of several under one id a message is known by its value. If then one is left on each side, they belong together: it was
-- edited.
with mine as (
    select
        file_no, ordinal, position, session_id, own_id, moment_hash,
        row_number() over (partition by session_id, own_id, moment_hash order by position) as nth
    from (select file_no, ordinal, position, id as own_id, moment_hash from messages)
    join accepted using (file_no, ordinal)
    semi join stored_messages using (session_id, own_id)
),

by_value as (
    select file_no, ordinal, position, id
    from mine
    join stored_messages using (session_id, own_id, moment_hash, nth)
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
