-- source_sessions: the values that each accepted session of the batch has in its source.
-- DuckDB. in: batch, places, bulk, workspaces   out: columns as in the target
select
    session_id, workspace_path,
    record.type, record.task, record.status,
    record.createdAt as created_at, record.updatedAt as updated_at, record.completedAt as completed_at,
    record.model, record.timeoutSeconds as timeout_seconds,
    coalesce(record.preserveWorktrees, false)::bigint as preserve_worktrees,
    record.winnerId as winner_id,
    to_json(record.runtimeMix)::varchar as runtime_mix,
    record.totalDuration as total_duration, record.totalFilesChanged as total_files_changed,
    record.totalLinesAdded as total_lines_added, record.totalLinesDeleted as total_lines_deleted,
    coalesce(len(record.instances), 0) as instance_count,
    coalesce(len(record.chatHistory), 0) as message_count
from batch
join places on places.element = batch.rowid
join bulk using (file_no, ordinal)
join workspaces using (file_no)
