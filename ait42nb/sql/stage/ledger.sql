-- Adds a batch's sessions to `ledger`: JSON as this run saw it. DuckDB.
-- in: $accepted, the batch's batch_accepted; records, workspaces, sessions, instances, message_prints, renamed_messages, residue, $run_id
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
    semi join query_table($accepted) using (file_no, ordinal)
    group by all
),

-- Of several messages of one own id all but one have another id here.
repeated as (
    select distinct file_no, ordinal, own_id as id from renamed_messages
),

message_texts as (
    select file_no, ordinal, string_agg(concat(to_json(id), ':', prints), ',' order by first) as prints
    from (
        select file_no, ordinal, id, position as first, concat('["', print, '"]') as prints
        from message_prints
        anti join repeated using (file_no, ordinal, id)

        union all
        select file_no, ordinal, id, min(position), to_json(list_sort(list(print)))
        from message_prints
        semi join repeated using (file_no, ordinal, id)
        group by all
    )
    group by all
),

residue_prints as (
    select
        file_no, ordinal,
        fingerprint(string_agg(concat_ws('|', entity, list, document, "order"::varchar) order by entity, list, document)) as print
    from residue
    semi join query_table($accepted) using (file_no, ordinal)
    group by all
)

select
    file_no,
    ordinal,
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
from query_table($accepted)
join records using (file_no, ordinal)
join workspaces using (file_no)
join sessions as session using (file_no, ordinal)
left join instance_prints as i using (file_no, ordinal)
left join message_texts as m using (file_no, ordinal)
left join residue_prints as r using (file_no, ordinal)
