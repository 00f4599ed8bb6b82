-- wanted_ids: the messages that may not simply have their own id, and the one under which each would be stored, if that
-- is free. DuckDB. in: messages, accepted, kept_ids, stored (the snapshot)
-- out: one row a message; settled: nothing can take it away
--
-- An id once stored for a message is kept. Across sessions the oldest has its own id, the others add their session to
-- it. Different messages under one id in one session are numbered from the second on. (Equal ones were collapsed.)
-- Joined anew for each use: all messages at once, with what is joined to them, would not fit into memory.
with message as not materialized (
    select file_no, ordinal, position, messages.id as own_id, session_id, age, provisional
    from messages
    join accepted using (file_no, ordinal)
),

-- Most ids stand once, and nowhere else: only the others are numbered. Of those that share one, only the first could land
-- under it.
doubtful as (
    select own_id from message where provisional
    union
    select own_id from message semi join (select id as own_id from stored.chat_messages) using (own_id)
    union
    select own_id from message where contains(own_id, '@')
    union
    select own_id from message join kept_ids using (file_no, ordinal, position)
),

numbered as (
    select
        message.*, kept_ids.id as kept_id,
        row_number() over (partition by file_no, ordinal, own_id order by position) as version,
        min(age) over (partition by own_id) as oldest
    from message
    semi join doubtful using (own_id)
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
