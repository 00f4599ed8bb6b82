-- batch: every element of the arrays in one batch of files, parsed where it has each key once.
-- DuckDB. in: $copies, paths of files below the work folder; $largest, the bytes of the largest element that is read
-- out: one row an element, in the order of the files
select
    filename as copy,
    json::varchar as document,
    parse_session(json) as record,
    json_keys(json) as keys,
    json_keys(json, '$.instances[*]') as instance_keys,
    json_keys(json, '$.chatHistory[*]') as message_keys,
    -- What DuckDB's reader lets pass although it is no JSON (a comma before a bracket), or reads as another number (-0).
    regexp_matches(json::varchar, ',\s*[\]}]') or regexp_matches(json::varchar, '-0[\s,\]}]') as doubtful
from read_json_objects($copies, format = 'array', filename = true, maximum_object_size = $largest)
