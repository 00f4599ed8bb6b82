-- What of each file the database has not, or otherwise. DuckDB. in: wanted, kept (both as `content`)
-- out: source_path, entity, records
select source_path, entity, count(*) as records
from wanted
anti join kept using (entity, session_id, key, content_hash)
group by all
order by all
