-- What the database has of sessions that both stores have, and JSON has not. SQLite. in: main, ours (the staging file)
-- out: session_id, instances, messages
with surplus as (
    select theirs.session_id, 1 as instances, 0 as messages
    from main.instances as theirs
    left join ours.instances as ours
        on ours.session_id = theirs.session_id and ours.instance_id = theirs.instance_id
    where ours.id is null

    union all
    select theirs.session_id, 0, 1
    from main.chat_messages as theirs
    left join ours.chat_messages as ours on ours.id = theirs.id and ours.session_id = theirs.session_id
    where ours.id is null
)

select surplus.session_id, sum(instances), sum(messages)
from surplus
join ours.sessions on ours.sessions.id = surplus.session_id
group by surplus.session_id
