-- As odd_sessions, their messages. DuckDB. in: $path, $largest   out: as source_messages
select *, message_hash(role, content, timestamp) as value_hash
from read_json($path, format = 'newline_delimited', maximum_object_size = $largest, columns = {
    id: 'varchar', session_id: 'varchar', position: 'bigint', role: 'varchar', content: 'varchar',
    timestamp: 'varchar', instance_id: 'bigint'
})
