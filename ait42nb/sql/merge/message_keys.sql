-- The stored id of each element of a session's list of messages, in JSON's order, repeats included. SQLite. in: $session_id
select value
from ours.migration_residue, json_each(document, '$.order')
where entity = 'order' and session_id = $session_id and migration_residue.key = 'chatHistory'
union all
select id from (select id from ours.chat_messages where session_id = $session_id order by rowid)
where not exists (
    select 1 from ours.migration_residue where entity = 'order' and session_id = $session_id and key = 'chatHistory'
)
