-- by_month: how many sessions began in each month, of each type and status.
-- SQLite. in: sessions, $workspace_path (NULL: all)   out: month, type, status, sessions
select
    substr(created_at, 1, 7) as month,
    type,
    status,
    count(*) as sessions
from sessions
where $workspace_path is null or workspace_path = $workspace_path
group by month, type, status
order by month, type, status
