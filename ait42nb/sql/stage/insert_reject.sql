-- Adds one record to staging's migration_rejects. SQLite.
insert into migration_rejects (
    run_id, source_path, pointer, entity, key, reason, detail, instances, messages, document, document_bytes
)
values (
    $run_id, $source_path, $pointer, $entity, $key, $reason, $detail, $instances, $messages, $document, $document_bytes
)
