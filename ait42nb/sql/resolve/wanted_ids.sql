-- wanted_ids: the id under which each message would be stored, if that is free.
-- DuckDB. in: messages, accepted
-- out: one row a message; plain: it keeps its own id
--
-- Across sessions the oldest keeps an id, the others add their session to it. Different messages under one id in one
-- session are numbered from the second on. (Equal ones were collapsed before.)
with numbered as (
    select
        file_no, ordinal, position, messages.id as own_id, session_id, age,
        row_number() over (partition by file_no, ordinal, messages.id order by position) as version,
        min(age) over (partition by messages.id) as oldest
    from messages
    join accepted using (file_no, ordinal)
)

select
    file_no,
    ordinal,
    position,
    own_id,
    age,
    version = 1 and age = oldest as plain,
    case
        when version > 1 then concat(own_id, '@', session_id, '#', version)
        when age = oldest then own_id
        else concat(own_id, '@', session_id)
    end as wanted_id
from numbered
