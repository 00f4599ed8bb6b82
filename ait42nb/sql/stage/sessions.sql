-- What staging.sessions is to hold. DuckDB. in: sessions, instances, messages, accepted, workspaces
select
    session.id, workspace_path, session.type, session.task, session.status,
    session.created_at, session.updated_at, session.completed_at,
    session.model, session.timeout_seconds, session.preserve_worktrees, session.winner_id, session.runtime_mix,
    session.total_duration, session.total_files_changed, session.total_lines_added, session.total_lines_deleted,
    coalesce(instance_count, 0) as instance_count,
    coalesce(message_count, 0) as message_count
from accepted
join sessions as session using (file_no, ordinal)
join workspaces using (file_no)
left join (select file_no, ordinal, count(*) as instance_count from instances group by all) using (file_no, ordinal)
left join (select file_no, ordinal, count(*) as message_count from messages group by all) using (file_no, ordinal)
order by file_no, ordinal
