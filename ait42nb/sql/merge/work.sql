-- Which sessions there is anything to do for, and about how many rows. SQLite.
-- in: ours (the staging file), main (the database)   out: session_id, weight; in the staging file's order
with different as (
    select ours.id as session_id, 1 as weight
    from ours.sessions as ours
    left join main.sessions as theirs on theirs.id = ours.id
    where (
        ours.workspace_path, ours.type, ours.task, ours.status, ours.created_at, ours.updated_at, ours.completed_at,
        ours.model, ours.timeout_seconds, ours.preserve_worktrees, ours.winner_id, ours.runtime_mix,
        ours.total_duration, ours.total_files_changed, ours.total_lines_added, ours.total_lines_deleted
    ) is not (
        theirs.workspace_path, theirs.type, theirs.task, theirs.status, theirs.created_at, theirs.updated_at,
        theirs.completed_at, theirs.model, theirs.timeout_seconds, theirs.preserve_worktrees, theirs.winner_id,
        theirs.runtime_mix, theirs.total_duration, theirs.total_files_changed, theirs.total_lines_added,
        theirs.total_lines_deleted
    )

    union all
    select ours.session_id, 1
    from ours.instances as ours
    left join main.instances as theirs
        on theirs.session_id = ours.session_id and theirs.instance_id = ours.instance_id
    where (
        ours.instance_id, ours.worktree_path, ours.branch, ours.agent_name, ours.status, ours.tmux_session_id,
        ours.output, ours.start_time, ours.end_time, ours.files_changed, ours.lines_added, ours.lines_deleted,
        ours.runtime, ours.model, ours.runtime_label
    ) is not (
        theirs.instance_id, theirs.worktree_path, theirs.branch, theirs.agent_name, theirs.status,
        theirs.tmux_session_id, theirs.output, theirs.start_time, theirs.end_time, theirs.files_changed,
        theirs.lines_added, theirs.lines_deleted, theirs.runtime, theirs.model, theirs.runtime_label
    )

    union all
    select ours.session_id, 1
    from ours.chat_messages as ours
    left join main.chat_messages as theirs on theirs.id = ours.id
    left join ours.instances as our_instance on our_instance.id = ours.instance_id_ref
    left join main.instances as their_instance on their_instance.id = theirs.instance_id_ref
    where (ours.session_id, ours.role, ours.content, ours.timestamp, our_instance.instance_id)
        is not (theirs.session_id, theirs.role, theirs.content, theirs.timestamp, their_instance.instance_id)

    union all
    select ours.session_id, 0
    from ours.migration_ledger as ours
    left join main.migration_ledger as theirs using (session_id)
    where (ours.source_path, ours.pointer, ours.document_sha256, ours.base)
        is not (theirs.source_path, theirs.pointer, theirs.document_sha256, theirs.base)
)

select different.session_id, sum(weight) as weight
from different
join ours.sessions as ours on ours.id = different.session_id
group by different.session_id
order by ours.rowid
