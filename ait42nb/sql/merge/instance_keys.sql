-- The number of each element of a session's list of instances, in JSON's order, repeats included. SQLite. in: $session_id
select value
from ours.migration_residue, json_each(document, '$.order')
where entity = 'order' and session_id = $session_id and migration_residue.key = 'instances'
union all
select instance_id from (select instance_id from ours.instances where session_id = $session_id order by id)
where not exists (
    select 1 from ours.migration_residue where entity = 'order' and session_id = $session_id and key = 'instances'
)
