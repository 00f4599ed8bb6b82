-- messages: a session's messages under their keys in JSON, in the editor's order. SQLite. in: chat_messages, instances, $session_id
--
-- Asked for by rowid: asked for by session, all their content would be sorted.
select
    message.id,
    message.role,
    message.content,
    message.timestamp,
    instance.instance_id as "instanceId"
from chat_messages as message
left join instances as instance on instance.id = message.instance_id_ref
where message.rowid in (select rowid from chat_messages where session_id = $session_id)
order by message.rowid
