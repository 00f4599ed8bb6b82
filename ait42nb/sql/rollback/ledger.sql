-- The file that each stored session stood in. SQLite. out: source_path, one row a session
select source_path
from migration_ledger
join sessions on sessions.id = session_id
