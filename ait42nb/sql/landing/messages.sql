-- A batch's messages, a part of all of them: what must be known of each to decide about it.
-- DuckDB. in: $contents, the table of what they say; messages, the parts before   out: as messages, in the order of $contents
with doubtful as (
    select hash(id) as id_hash from query_table($contents) group by all having count(*) > 1
    union
    select id_hash from messages semi join (select hash(id) as id_hash from query_table($contents)) using (id_hash)
)

select
    file_no, ordinal, position, id, role, timestamp, instance_id, instance_row,
    hash(content) as content_hash,
    message_print(role, content, timestamp, if(instance_row is null, null, instance_id)) as print,
    is_rfc3339(timestamp) as timed,
    hash(id) as id_hash,
    hash(id) in (from doubtful) or starts_with(id, chr(1)) as provisional,
    row_id
from query_table($contents)
order by row_id
