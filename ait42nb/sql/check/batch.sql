-- batch: records that were put in order, parsed like those of any file (see read/batch.sql). They are known to be JSON.
-- DuckDB. in: $path, $largest
select
    file_no,
    ordinal,
    document,
    parse_session(document) as record,
    json_keys(document) as keys,
    json_keys(document, '$.instances[*]') as instance_keys,
    json_keys(document, '$.chatHistory[*]') as message_keys,
    false as doubtful
from read_json($path, format = 'newline_delimited', maximum_object_size = $largest, columns = {
    file_no: 'integer', ordinal: 'bigint', document: 'varchar'
})
