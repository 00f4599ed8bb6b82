-- not_an_object: an element is something else than a session, an instance or a message can be. One row an element.
-- DuckDB. in: objects   out: file_no, ordinal, reason, entity, pointer, key, detail
select file_no, ordinal, entity, pointer, null as key, concat('a ', entity, ' is an object, this is ', kind) as detail, 'not_an_object' as reason
from objects
where kind not in ('object', 'malformed')
