-- odd: every record that was looked at one by one. DuckDB. in: $path, $largest (bytes of the longest line)
select * from read_json($path, format = 'newline_delimited', maximum_object_size = $largest, columns = {
    file_no: 'integer', ordinal: 'bigint', id: 'varchar', sha256: 'varchar', instances: 'bigint', messages: 'bigint'
})
