-- How two databases differ, a kind a row. DuckDB. in: here, there (both as `stored`)
-- out: kind, here, there, same, differ, only_here, only_there
select
    entity as kind,
    count(here.value_hash) as here,
    count(there.value_hash) as there,
    count(*) filter (here.value_hash = there.value_hash) as same,
    count(*) filter (here.value_hash <> there.value_hash) as differ,
    count(*) filter (there.value_hash is null) as only_here,
    count(*) filter (here.value_hash is null) as only_there
from here
full join there using (entity, session_id, key)
group by entity
