-- missing_field: a required key is absent or null. One row a missing key.
-- DuckDB. in: objects, members, fields   out: file_no, ordinal, reason, entity, pointer, key, detail
with required as (
    select file_no, ordinal, entity, pointer as object_pointer, key
    from objects
    join fields using (entity)
    where objects.kind = 'object' and required
)

select
    file_no, ordinal, required.entity, object_pointer || '/' || key as pointer, key,
    if(members.kind is null, 'a required field is absent', 'a required field is null') as detail, 'missing_field' as reason
from required
left join (select * from members where occurrence = 1) as members using (file_no, ordinal, object_pointer, key)
where coalesce(members.kind, 'null') = 'null'
