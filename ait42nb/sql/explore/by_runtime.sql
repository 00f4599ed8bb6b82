-- by_runtime: how many instances ran in each runtime.
-- SQLite. in: sessions, instances, $workspace_path (NULL: all)   out: runtime, instances
select
    instances.runtime,
    count(*) as instances
from instances
join sessions on sessions.id = instances.session_id
where $workspace_path is null or sessions.workspace_path = $workspace_path
group by instances.runtime
order by count(*) desc, instances.runtime
