-- source_counts: how many sessions, instances and messages each file holds. DuckDB. in: records, workspaces
-- out: one row a file; counted when the text was read, whatever became of it
select source_path, count(*) as sessions, sum(instances)::bigint as instances, sum(messages)::bigint as messages
from records
join workspaces using (file_no)
group by source_path
