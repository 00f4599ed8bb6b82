-- residue: what the columns cannot say of a session and of all that is in it.
-- SQLite. in: migration_residue, $session_id   out: entity, key, document
select entity, key, document
from migration_residue
where entity in ('session', 'instance', 'message', 'order') and session_id = $session_id
