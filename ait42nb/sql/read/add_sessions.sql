-- Adds a batch's sessions to the table of all of them: those of records that are in order.
-- DuckDB. in: batch, batch_records, $part   out: rows of sessions
select
    $part as part,
    file_no,
    ordinal,
    record.id,
    record.type,
    record.task,
    record.status,
    record.createdAt as created_at,
    record.updatedAt as updated_at,
    record.completedAt as completed_at,
    record.model,
    record.timeoutSeconds as timeout_seconds,
    coalesce(record.preserveWorktrees, false)::bigint as preserve_worktrees,
    record.winnerId as winner_id,
    to_json(record.runtimeMix)::varchar as runtime_mix,
    record.totalDuration as total_duration,
    record.totalFilesChanged as total_files_changed,
    record.totalLinesAdded as total_lines_added,
    record.totalLinesDeleted as total_lines_deleted
from (select record from batch)
positional join batch_records
where in_order
