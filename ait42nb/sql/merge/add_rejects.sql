-- Adds the rejects of this run that were not known before. SQLite. in: ours, main
insert into main.migration_rejects (
    run_id, source_path, pointer, entity, key, reason, detail, instances, messages, document, document_bytes
)
select run_id, source_path, pointer, entity, key, reason, detail, instances, messages, document, document_bytes
from ours.migration_rejects
where (source_path, pointer, entity, quote(key), reason, detail, coalesce(document, ''), coalesce(document_bytes, '')) not in (
    select source_path, pointer, entity, quote(key), reason, detail, coalesce(document, ''), coalesce(document_bytes, '')
    from main.migration_rejects
    where pointer is not null
)
order by reject_id
