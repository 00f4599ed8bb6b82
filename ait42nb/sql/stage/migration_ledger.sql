-- What staging.migration_ledger is to hold: JSON as this run saw it. DuckDB.
-- in: accepted, records, workspaces, sessions, instances, messages, message_rows, residue, $run_id
--
-- base: {"session": [a fingerprint a column], "instances": {number: [a fingerprint a column]}, "messages": {own id:
-- [a fingerprint a message of that id]}, "residue": a fingerprint of all of it}. Columns in the order of the target's
-- tables, NULL for NULL. `merge` computes the same fingerprints of what is stored.
with instance_prints as (
    select
        file_no, ordinal,
        string_agg(concat('"', instance_id, '":', to_json([
            fingerprint(worktree_path), fingerprint(branch), fingerprint(agent_name), fingerprint(status),
            fingerprint(tmux_session_id), fingerprint(output), fingerprint(moment(start_time)),
            fingerprint(moment(end_time)), fingerprint(files_changed), fingerprint(lines_added),
            fingerprint(lines_deleted), fingerprint(runtime), fingerprint(model), fingerprint(runtime_label)
        ])), ',' order by position) as prints
    from instances
    semi join accepted using (file_no, ordinal)
    group by all
),

message_prints as (
    select file_no, ordinal, string_agg(concat(to_json(id), ':', to_json(prints)), ',' order by first) as prints
    from (
        select
            file_no, ordinal, id, min(position) as first,
            list_sort(list(
                fingerprint(concat_ws('|',
                    md5(role), md5(content), md5(moment(timestamp)), if(instance_id_ref is null, null, instance_id)
                ))
            )) as prints
        from messages
        positional join (select session_id, instance_id_ref from message_rows)
        where session_id is not null
        group by all
    )
    group by all
),

residue_prints as (
    select
        file_no, ordinal,
        fingerprint(string_agg(concat_ws('|', entity, list, document, "order"::varchar) order by entity, list, document)) as print
    from residue
    group by all
)

select
    session_id,
    source_path,
    '/' || ordinal as pointer,
    sha256 as document_sha256,
    concat(
        '{"session":', to_json([
            fingerprint(workspace_path), fingerprint(session.type), fingerprint(session.task), fingerprint(session.status),
            fingerprint(moment(session.created_at)), fingerprint(moment(session.updated_at)),
            fingerprint(moment(session.completed_at)), fingerprint(session.model), fingerprint(session.timeout_seconds),
            fingerprint(session.preserve_worktrees), fingerprint(session.winner_id), fingerprint(session.runtime_mix),
            fingerprint(session.total_duration), fingerprint(session.total_files_changed),
            fingerprint(session.total_lines_added), fingerprint(session.total_lines_deleted)
        ]),
        ',"instances":{', i.prints, '},"messages":{', m.prints, '},"residue":', coalesce(to_json(r.print), 'null'), '}'
    ) as base,
    $run_id as run_id
from accepted
join records using (file_no, ordinal)
join workspaces using (file_no)
join sessions as session using (file_no, ordinal)
left join instance_prints as i using (file_no, ordinal)
left join message_prints as m using (file_no, ordinal)
left join residue_prints as r using (file_no, ordinal)
order by file_no, ordinal
