-- by_workspace: what each workspace holds, and from when to when; the largest first.
-- SQLite. in: sessions, $workspace_path (NULL: all)   out: workspace_path, sessions, instances, messages, first, last
select
    workspace_path,
    count(*) as sessions,
    sum(instance_count) as instances,
    sum(message_count) as messages,
    min(created_at) as first,
    max(created_at) as last
from sessions
where $workspace_path is null or workspace_path = $workspace_path
group by workspace_path
order by count(*) desc, workspace_path
