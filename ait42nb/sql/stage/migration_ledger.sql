-- What staging.migration_ledger is to hold: JSON as this run saw it. DuckDB.
-- in: accepted, records, workspaces, sessions, instances, messages, $run_id
--
-- base: {"session": [a fingerprint a column], "instances": {number: [a fingerprint a column]}, "messages": {own id:
-- [a fingerprint a message of that id]}}; columns in the order of the target's tables; NULL has NULL.
with instance_prints as (
    select
        file_no, ordinal,
        json_group_object(instance_id::varchar, [
            fingerprint(worktree_path), fingerprint(branch), fingerprint(agent_name), fingerprint(status),
            fingerprint(tmux_session_id), fingerprint(output), fingerprint(moment(start_time)),
            fingerprint(moment(end_time)), fingerprint(files_changed), fingerprint(lines_added),
            fingerprint(lines_deleted), fingerprint(runtime), fingerprint(model), fingerprint(runtime_label)
        ]) as prints
    from instances
    semi join accepted using (file_no, ordinal)
    group by all
),

message_prints as (
    select file_no, ordinal, json_group_object(id, prints) as prints
    from (
        select
            file_no, ordinal, id,
            list(fingerprint(concat_ws('|', md5(role), md5(content), moment(timestamp), instance_id)) order by position) as prints
        from messages
        semi join accepted using (file_no, ordinal)
        group by all
    )
    group by all
)

select
    session_id,
    source_path,
    '/' || ordinal as pointer,
    sha256 as document_sha256,
    json_object(
        'session', [
            fingerprint(workspace_path), fingerprint(session.type), fingerprint(session.task), fingerprint(session.status),
            fingerprint(moment(session.created_at)), fingerprint(moment(session.updated_at)),
            fingerprint(moment(session.completed_at)), fingerprint(session.model), fingerprint(session.timeout_seconds),
            fingerprint(session.preserve_worktrees), fingerprint(session.winner_id), fingerprint(session.runtime_mix),
            fingerprint(session.total_duration), fingerprint(session.total_files_changed),
            fingerprint(session.total_lines_added), fingerprint(session.total_lines_deleted)
        ],
        'instances', coalesce(i.prints, json_object()),
        'messages', coalesce(m.prints, json_object())
    )::varchar as base,
    $run_id as run_id
from accepted
join records using (file_no, ordinal)
join workspaces using (file_no)
join sessions as session using (file_no, ordinal)
left join instance_prints as i using (file_no, ordinal)
left join message_prints as m using (file_no, ordinal)
order by file_no, ordinal
