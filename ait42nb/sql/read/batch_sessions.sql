-- batch_sessions: the sessions of a batch, typed, and whether the session's own fields are in order.
-- DuckDB. in: batch, places   out: one row an element
select
    places.file_no,
    places.ordinal,
    text_of(record.id) as id,
    text_of(record.type) as type,
    text_of(record.task) as task,
    text_of(record.status) as status,
    text_of(record.createdAt) as created_at,
    text_of(record.updatedAt) as updated_at,
    text_of(record.completedAt) as completed_at,
    text_of(record.model) as model,
    integer_of(record.timeoutSeconds) as timeout_seconds,
    coalesce(record.preserveWorktrees::varchar = 'true', false)::integer as preserve_worktrees,
    integer_of(record.winnerId) as winner_id,
    record.runtimeMix::varchar as runtime_mix,
    integer_of(record.totalDuration) as total_duration,
    integer_of(record.totalFilesChanged) as total_files_changed,
    integer_of(record.totalLinesAdded) as total_lines_added,
    integer_of(record.totalLinesDeleted) as total_lines_deleted,
    coalesce(
        not doubtful and len(keys) = 18
        and is_string(record.id) and is_string(record.type) and is_string(record.task)
        and record.status::varchar in ('"running"', '"completed"', '"failed"', '"paused"')
        and is_string(record.createdAt) and is_string(record.updatedAt)
        and is_string_or_null(record.completedAt) and is_string_or_null(record.model)
        and is_integer_or_null(record.timeoutSeconds, 2147483647)
        and is_boolean_or_null(record.preserveWorktrees)
        and is_integer_or_null(record.winnerId, 2147483647)
        and is_strings_or_null(record.runtimeMix)
        and is_integer_or_null(record.totalDuration, 9223372036854775807)
        and is_integer_or_null(record.totalFilesChanged, 2147483647)
        and is_integer_or_null(record.totalLinesAdded, 2147483647)
        and is_integer_or_null(record.totalLinesDeleted, 2147483647)
        and record.instances is not null and record.chatHistory is not null,
        false
    ) as in_order
from batch
join places on places.element = batch.rowid
