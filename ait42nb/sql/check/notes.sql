-- notes: what a record was taken in spite of. DuckDB. in: $path, $largest
select * from read_json($path, format = 'newline_delimited', maximum_object_size = $largest, columns = {
    file_no: 'integer', ordinal: 'bigint', reason: 'varchar'
})
