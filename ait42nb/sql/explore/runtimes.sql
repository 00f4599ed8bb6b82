-- runtimes: how the instances of each runtime went, the most frequent first.
-- SQLite. in: sessions, instances, $workspace_path (NULL: all)
-- out: runtime, instances, completed, failed, won, files_changed, lines_added, lines_deleted
select
    coalesce(instances.runtime, 'not told') as runtime,
    count(*) as instances,
    count(*) filter (where instances.status = 'completed') as completed,
    count(*) filter (where instances.status = 'failed') as failed,
    count(*) filter (where sessions.winner_id = instances.instance_id) as won,
    coalesce(sum(instances.files_changed), 0) as files_changed,
    coalesce(sum(instances.lines_added), 0) as lines_added,
    coalesce(sum(instances.lines_deleted), 0) as lines_deleted
from instances
join sessions on sessions.id = instances.session_id
where $workspace_path is null or sessions.workspace_path = $workspace_path
group by instances.runtime
order by count(*) desc, instances.runtime
