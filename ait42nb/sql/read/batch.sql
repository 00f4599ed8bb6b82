-- batch: every element of the arrays in one batch of files, read with types; and whether it holds nothing else.
-- DuckDB. in: $copies, paths of files below the work folder; $largest, the bytes of the largest element that is read
-- out: one row an element, in the order of the files
--
-- Types alone are not strict: they read 1.5 as 2, 5 as text, and pass over keys that they do not know. But a record that
-- is what the editor writes, key by key, gives the same JSON again.
select
    filename as copy,
    strlen(json::varchar) as bytes,
    typed_session(json) as record,
    to_json(record)::varchar = json(json)::varchar
        -- What DuckDB's reader lets pass although it is no JSON (a comma before a bracket), or reads as another number (-0).
        and not regexp_matches(json::varchar, ',\s*[\]}]') and not regexp_matches(json::varchar, '-0[\s,\]}]') as exact
from read_json_objects($copies, format = 'array', filename = true, maximum_object_size = $largest)
