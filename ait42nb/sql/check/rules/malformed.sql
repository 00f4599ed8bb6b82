-- malformed: the record's text is no JSON. One row a record.
-- DuckDB. in: objects   out: file_no, ordinal, reason, entity, pointer, key, detail
select file_no, ordinal, entity, pointer, null as key, 'this text is no JSON' as detail, 'malformed' as reason
from objects
where kind = 'malformed'
