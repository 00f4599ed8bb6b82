-- A session's messages whose instance the database has not, and what it keeps beside them. SQLite. in: $session_id
-- out: id, instance_id, document
select messages.id, ours.instance_id, residue.document
from ours.chat_messages as messages
join ours.instances as ours on ours.id = messages.instance_id_ref
left join main.instances as theirs on theirs.session_id = ours.session_id and theirs.instance_id = ours.instance_id
left join main.migration_residue as residue
    on residue.entity = 'message' and residue.session_id = messages.session_id and residue.key = messages.id
where messages.session_id = $session_id and theirs.id is null
