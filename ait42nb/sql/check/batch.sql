-- batch: as in read/batch.sql, for records that were put in order. DuckDB. in: straightened
--
-- A step of its own, so that the largest record is not held by its reader and written again at once.
select *, try(to_json(record)::varchar = json(document)::varchar) as exact
from straightened
