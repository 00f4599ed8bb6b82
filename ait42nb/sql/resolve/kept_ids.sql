-- kept_ids: the messages that keep the id under which they are stored. DuckDB.
-- in: messages, accepted, stored_messages, stored_values   out: file_no, ordinal, position, id
--
-- A message is known by its session and its own id; where either side has several under one id, by its value. If then
-- one is left on each side, they belong together: it was edited.
with mine as (
    select file_no, ordinal, position, session_id, messages.id as own_id, moment_hash
    from messages
    join (from accepted semi join stored_messages using (session_id)) using (file_no, ordinal)
),

my_values as (
    select *, row_number() over (partition by session_id, own_id, moment_hash order by position) as nth
    from mine
    semi join stored_values using (session_id, own_id)
),

by_value as (
    select file_no, ordinal, position, id
    from my_values
    join stored_values using (session_id, own_id, moment_hash, nth)
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
