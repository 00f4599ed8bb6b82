-- message_prints: a fingerprint of each message of a batch that is to be stored, as `merge` computes it of what is stored.
-- DuckDB. in: $part, the batch's part of messages; $rows, its message_rows   out: one row a message; id is its own
select
    file_no, ordinal, position, id,
    fingerprint(concat_ws('|',
        md5(role), content_md5, md5(moment(timestamp)), if(instance_id_ref is null, null, instance_id)
    )) as print
from query_table($part) as message
positional join (select session_id, instance_id_ref from query_table($rows))
where session_id is not null
