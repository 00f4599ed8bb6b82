-- wanted_ids: the messages of doubtful ids, and the id under which each would be stored, if that is free. DuckDB.
-- in: messages, accepted, doubtful_ids, ambiguous_ids, kept_ids, stored_renames, stored (the snapshot)
-- out: one row a message; settled: nothing can take it away
--
-- An id once stored for a message is kept. Across sessions the oldest has its own id, the others add their session to
-- it. Different messages under one id in one session are numbered from the second on. (Equal ones were collapsed.)
with owners as (
    select id as own_id, session_id as owner, renamed.id is null as has_its_own
    from (select id, session_id from stored.chat_messages semi join doubtful_ids on own_id = id)
    left join (select id from stored_renames) as renamed using (id)
),

numbered as (
    select
        file_no, ordinal, position, own_id, message.session_id, age, owner,
        case
            when kept_ids.id is not null then kept_ids.id
            when owner = message.session_id and has_its_own and ambiguous.own_id is null then own_id
        end as kept_id,
        row_number() over (partition by file_no, ordinal, own_id order by position) as version,
        min(age) over (partition by own_id) as oldest
    from (
        select file_no, ordinal, position, own_id, session_id, age
        from (select file_no, ordinal, position, id as own_id from messages)
        semi join doubtful_ids using (own_id)
        join accepted using (file_no, ordinal)
    ) as message
    left join kept_ids using (file_no, ordinal, position)
    left join owners using (own_id)
    left join ambiguous_ids as ambiguous using (session_id, own_id)
),

chosen_plainly as (
    select *, kept_id is null and version = 1 and age = oldest and owner is null as plain
    from numbered
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
