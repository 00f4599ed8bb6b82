-- A session's messages in which the two sides differ, side by side. SQLite. in: $session_id
-- out: id; residue (ours); their session (NULL: not there); then role, content, timestamp, number of the instance, ours
-- and theirs
select
    ours.id,
    residue.document,
    theirs.session_id,
    ours.role, ours.content, ours.timestamp, our_instance.instance_id,
    theirs.role, theirs.content, theirs.timestamp, their_instance.instance_id
from ours.chat_messages as ours
left join ours.migration_residue as residue
    on residue.entity = 'message' and residue.session_id = ours.session_id and residue.key = ours.id
left join main.chat_messages as theirs on theirs.id = ours.id
left join ours.instances as our_instance on our_instance.id = ours.instance_id_ref
left join main.instances as their_instance on their_instance.id = theirs.instance_id_ref
where ours.session_id = $session_id
  and (ours.session_id, ours.role, ours.content, ours.timestamp, our_instance.instance_id)
      is not (theirs.session_id, theirs.role, theirs.content, theirs.timestamp, their_instance.instance_id)
order by ours.rowid
