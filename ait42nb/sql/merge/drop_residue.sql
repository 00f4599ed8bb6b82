-- Takes away what was kept beside a row of that key, which is gone. SQLite.
delete from main.migration_residue
where (entity, session_id, key) = ($entity, $session_id, $key)
