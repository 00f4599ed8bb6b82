-- What the editor is to see of each workspace. DuckDB. in: accepted, workspaces, instances, messages
-- out: workspace_path, sessions, instances, messages
select
    workspace_path,
    count(*) as sessions,
    coalesce(sum(i.instances), 0)::bigint as instances,
    coalesce(sum(m.messages), 0)::bigint as messages
from accepted
join workspaces using (file_no)
left join (select file_no, ordinal, count(*) as instances from instances group by all) as i using (file_no, ordinal)
left join (select file_no, ordinal, count(*) as messages from messages group by all) as m using (file_no, ordinal)
group by workspace_path
order by workspace_path
