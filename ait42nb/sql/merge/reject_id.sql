-- Where a version that lost, or what a person deleted, is kept. SQLite.
select reject_id
from main.migration_rejects
where (source_path, pointer, entity, key, reason, document)
    is ($source_path, $pointer, $entity, $key, $reason, $document)
