-- bulk_sessions: the accepted sessions that were read in bulk, as they are to be stored. DuckDB.
-- in: bulk, sessions, workspaces, records   out: columns as in the target
select
    session_id, workspace_path, session.* exclude (part, file_no, ordinal, id),
    instances as instance_count, messages as message_count
from bulk
join sessions as session using (file_no, ordinal)
join workspaces using (file_no)
join (select file_no, ordinal, instances, messages from records) using (file_no, ordinal)
