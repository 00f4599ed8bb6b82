-- What stands in the staging file's migration_residue. SQLite. out: entity, session_id, key, document
select entity, session_id, key, document from migration_residue
