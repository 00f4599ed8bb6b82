-- session: one session under its keys in JSON, in the editor's order; the two lists only hold their place.
-- SQLite. in: sessions, $session_id
select
    id,
    type,
    task,
    status,
    created_at          as "createdAt",
    updated_at          as "updatedAt",
    completed_at        as "completedAt",
    null                as "instances",
    null                as "chatHistory",
    model,
    timeout_seconds     as "timeoutSeconds",
    preserve_worktrees  as "preserveWorktrees",
    winner_id           as "winnerId",
    runtime_mix         as "runtimeMix",
    total_duration      as "totalDuration",
    total_files_changed as "totalFilesChanged",
    total_lines_added   as "totalLinesAdded",
    total_lines_deleted as "totalLinesDeleted"
from sessions
where id = $session_id
