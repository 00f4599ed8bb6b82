-- The text of each element of one file, as bytes, in their order. DuckDB. in: $copy, $largest
select encode(json::varchar) from read_json_objects($copy, format = 'array', maximum_object_size = $largest)
