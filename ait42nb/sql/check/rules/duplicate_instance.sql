-- duplicate_instance: different instances of a session have one number. One row for each that differs from the first.
-- DuckDB. in: objects   out: file_no, ordinal, reason, entity, pointer, key, detail
select
    file_no, ordinal, entity, pointer, 'instanceId' as key,
    concat('another instance of this session has the number ', identity, ' too') as detail, 'duplicate_instance' as reason
from objects
where entity = 'instance' and identity is not null
qualify fingerprint <> first_value(fingerprint) over (partition by file_no, ordinal, identity order by position)
