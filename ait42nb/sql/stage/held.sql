-- What is held back, in the order of the files. SQLite.
-- in: migration_rejects   out: source_path, pointer, entity, key, reason, detail (JSON), instances, messages
select source_path, pointer, entity, key, reason, detail, instances, messages
from migration_rejects
where reason not in ('shadowed_duplicate', 'superseded')
order by reject_id
