-- invalid_status: a session's status is none of the four that the database takes. One row a session.
-- DuckDB. in: members   out: file_no, ordinal, reason, entity, pointer, key, detail
select file_no, ordinal, entity, pointer, key, 'should be running, completed, failed or paused' as detail, 'invalid_status' as reason
from members
where occurrence = 1 and entity = 'session' and key = 'status' and kind = 'string'
  and value not in ('running', 'completed', 'failed', 'paused')
