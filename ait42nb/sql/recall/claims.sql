-- Which file claims which session, won or lost. SQLite. out: source_path, session_id
select source_path, session_id from migration_ledger
union
select source_path, key from migration_rejects
where entity = 'session' and source_path is not null and key is not null
