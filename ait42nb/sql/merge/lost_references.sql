-- A session's messages whose instance the database has not. SQLite. in: $session_id   out: id, instance_id
select messages.id, ours.instance_id
from ours.chat_messages as messages
join ours.instances as ours on ours.id = messages.instance_id_ref
left join main.instances as theirs on theirs.session_id = ours.session_id and theirs.instance_id = ours.instance_id
where messages.session_id = $session_id and theirs.id is null
