-- instance_rows: the row that each instance gets. DuckDB. in: instances, accepted
-- out: row_id counts from 1 in the order of the sources
select
    file_no,
    ordinal,
    instances.position,
    instance_id,
    row_number() over (order by file_no, ordinal, instances.position) as row_id
from instances
join accepted using (file_no, ordinal)
