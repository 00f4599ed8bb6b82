-- batch: the elements of a batch of files, once more.
-- DuckDB. in: $copies, $largest   out: one row an element, in the order of the files
select filename as copy, typed_session(json) as record
from read_json_objects($copies, format = 'array', filename = true, maximum_object_size = $largest)
