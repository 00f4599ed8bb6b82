-- A session's instances in JSON's order, with their rows in the database. SQLite. in: $session_id   out: instance_id, row_id
select ours.instance_id, theirs.id
from ours.instances as ours
join main.instances as theirs on theirs.session_id = ours.session_id and theirs.instance_id = ours.instance_id
where ours.session_id = $session_id
order by ours.id
