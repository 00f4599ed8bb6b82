-- objects: the sessions, instances and messages of the held records, and what stands in the place of one.
-- DuckDB. in: $path, $largest
select * from read_json($path, format = 'newline_delimited', maximum_object_size = $largest, columns = {
    file_no: 'integer', ordinal: 'bigint', entity: 'varchar', pointer: 'varchar', position: 'bigint', kind: 'varchar',
    identity: 'varchar', fingerprint: 'varchar'
})
