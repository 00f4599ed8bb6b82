-- Keeps a version that lost, or what a person deleted, whole; unless the very same is kept already. SQLite.
insert into main.migration_rejects (
    run_id, source_path, pointer, entity, key, reason, detail, instances, messages, document
)
select $run_id, $source_path, $pointer, $entity, $key, $reason, $detail, $instances, $messages, $document
where not exists (
    select 1 from main.migration_rejects
    where (source_path, pointer, entity, key, reason, document)
        is ($source_path, $pointer, $entity, $key, $reason, $document)
)
