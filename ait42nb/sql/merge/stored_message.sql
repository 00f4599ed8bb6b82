-- A message as it is stored. SQLite. in: $session_id, $id   out: role, content, timestamp, number of its instance
select role, content, timestamp, instance_id
from main.chat_messages as message
left join main.instances as instance on instance.id = message.instance_id_ref
where message.session_id = $session_id and message.id = $id
