-- Sessions beside whose rows the two stores keep something else: unknown keys, or what no column can say. SQLite.
-- in: main, ours (the staging file)   out: session_id
--
-- What the database keeps beside rows that only it has is no difference of its own.
select session_id
from ours.migration_residue as ours
left join main.migration_residue as theirs using (entity, session_id, key)
where entity <> 'order' and ours.document is not theirs.document

union
select session_id
from main.migration_residue as theirs
left join ours.migration_residue as ours using (entity, session_id, key)
where ours.document is null
  and case entity
      when 'session' then session_id in (select id from ours.sessions)
      when 'instance' then (session_id, key) in (
          select session_id, cast(instance_id as text) from ours.instances
      )
      when 'message' then key in (select id from ours.chat_messages)
  end
