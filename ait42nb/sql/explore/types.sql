-- types: how the sessions of each type went, the most frequent first.
-- SQLite. in: sessions, $workspace_path (NULL: all)   out: type, sessions, completed, failed, instances, messages
select
    type,
    count(*) as sessions,
    count(*) filter (where status = 'completed') as completed,
    count(*) filter (where status = 'failed') as failed,
    sum(instance_count) as instances,
    sum(message_count) as messages
from sessions
where $workspace_path is null or workspace_path = $workspace_path
group by type
order by count(*) desc, type
