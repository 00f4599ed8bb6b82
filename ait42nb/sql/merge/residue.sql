-- What the columns cannot say of a session, as JSON has it now. SQLite. in: $session_id   out: entity, key, document
select entity, key, document from ours.migration_residue where session_id = $session_id
