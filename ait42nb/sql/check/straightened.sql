-- batch: records that were put in order, read like those of any file (see read/batch.sql). They are known to be JSON.
-- DuckDB. in: $path, $largest
select
    file_no, ordinal, document, try(typed_session(document)) as record,
    null::varchar as written_md5, null::boolean as exact
from read_json($path, format = 'newline_delimited', maximum_object_size = $largest, columns = {
    file_no: 'integer', ordinal: 'bigint', document: 'varchar'
})
