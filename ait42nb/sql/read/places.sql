-- places: where each row of the batch stands: its file, and its ordinal in the file's array.
-- DuckDB. in: batch; $files, JSON: the batch's files, and the ordinal with which each begins
-- out: one row an element
select element, file_no, first + element - min(element) over (partition by copy) as ordinal
from (select rowid as element, copy from batch)
join (
    select unnest(from_json($files, '[{"copy": "VARCHAR", "file_no": "INTEGER", "first": "BIGINT"}]'), recursive := true)
) using (copy)
