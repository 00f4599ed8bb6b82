-- batch: the elements of a batch of files, read once more and by another way than the first time.
-- DuckDB. in: $copies, $largest   out: one row an element
select filename as copy, typed_session(json) as record
from read_json_objects($copies, format = 'array', filename = true, maximum_object_size = $largest)
