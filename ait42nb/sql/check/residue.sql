-- residue: what the columns cannot say of an object of a record: unknown keys, values beyond their column's reader, as raw
-- text; or the order of a list with repeats: for each element of the source its position among those that are stored.
-- DuckDB. in: $path, $largest   out: entity is session, instance, message or order
select * from read_json($path, format = 'newline_delimited', maximum_object_size = $largest, columns = {
    file_no: 'integer', ordinal: 'bigint', entity: 'varchar', position: 'bigint', document: 'varchar',
    list: 'varchar', "order": 'bigint[]'
})
