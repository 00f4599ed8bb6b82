-- members: the keys of `objects`, and of what kind their values are; `value` is given for integers and for a status.
-- DuckDB. in: $path, $largest
select * from read_json($path, format = 'newline_delimited', maximum_object_size = $largest, columns = {
    file_no: 'integer', ordinal: 'bigint', entity: 'varchar', object_pointer: 'varchar', pointer: 'varchar',
    key: 'varchar', occurrence: 'bigint', kind: 'varchar', value: 'varchar', broken_key: 'boolean', broken_value: 'boolean'
})
