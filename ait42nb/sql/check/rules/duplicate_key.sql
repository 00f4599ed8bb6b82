-- duplicate_key: a key stands twice in one object; readers disagree on which counts. One row a key.
-- DuckDB. in: members   out: file_no, ordinal, reason, entity, pointer, key, detail
select file_no, ordinal, entity, pointer, key, 'the key stands in the object more than once' as detail, 'duplicate_key' as reason
from members
where occurrence = 2
