-- Takes away what was kept beside a session, its instances and its messages that JSON still has. SQLite. in: $session_id
--
-- What only the database has keeps its own.
delete from main.migration_residue
where session_id = $session_id
  and case entity
      when 'instance' then key in (
          select cast(instance_id as text) from ours.instances where session_id = $session_id
      )
      when 'message' then key in (select id from ours.chat_messages where session_id = $session_id)
      else true
  end
