-- wanted_ids: the id under which each message would be stored, if that is free. DuckDB.
-- in: messages, accepted, kept_ids, stored (the snapshot)
-- out: one row a message; settled: nothing can take it away
--
-- An id once stored for a message is kept. Across sessions the oldest has its own id, the others add their session to
-- it. Different messages under one id in one session are numbered from the second on. (Equal ones were collapsed.)
with numbered as (
    select
        file_no, ordinal, position, messages.id as own_id, session_id, age, kept_ids.id as kept_id,
        row_number() over (partition by file_no, ordinal, messages.id order by position) as version,
        min(age) over (partition by messages.id) as oldest
    from (select file_no, ordinal, position, id from messages) as messages
    join accepted using (file_no, ordinal)
    left join kept_ids using (file_no, ordinal, position)
),

chosen_plainly as (
    select numbered.*, kept_id is null and version = 1 and age = oldest and stored.id is null as plain
    from numbered
    left join (select id from stored.chat_messages) as stored on stored.id = numbered.own_id
)

select
    file_no,
    ordinal,
    position,
    own_id,
    age,
    plain or kept_id is not null as settled,
    case
        when kept_id is not null then kept_id
        when plain then own_id
        when version > 1 then concat(own_id, '@', session_id, '#', version)
        else concat(own_id, '@', session_id)
    end as wanted_id
from chosen_plainly
