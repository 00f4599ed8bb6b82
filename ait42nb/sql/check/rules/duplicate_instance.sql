-- duplicate_instance: different instances of a session have one number. One row for each that differs from those before it.
-- DuckDB. in: objects   out: file_no, ordinal, reason, entity, pointer, key, detail
select
    file_no, ordinal, entity, pointer, 'instanceId' as key,
    concat('another instance of this session has the number ', identity, ' too') as detail, 'duplicate_instance' as reason
from objects
where entity = 'instance' and identity is not null
qualify
    row_number() over (partition by file_no, ordinal, identity, fingerprint order by position) = 1
    and min(position) over (partition by file_no, ordinal, identity) < position
