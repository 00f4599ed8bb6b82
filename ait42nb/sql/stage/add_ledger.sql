-- Adds the sessions of one part to `ledger`: JSON as this run saw it. DuckDB.
-- in: $part, and $messages, the part of messages of that number; accepted, records, workspaces, sessions, instance_prints,
-- residue_prints, $run_id
--
-- base: {"session": [a fingerprint a column], "instances": {number: [a fingerprint a column]}, "messages": {own id:
-- [a fingerprint a message of that id]}, "residue": a fingerprint of all of it}. Columns in the order of the target's
-- tables, NULL for NULL. `merge` computes the same fingerprints of what is stored.
with message_prints as (
    select file_no, ordinal, string_agg(concat(to_json(id), ':', prints), ',' order by first) as prints
    from (
        select file_no, ordinal, id, position as first, concat('["', print, '"]') as prints
        from query_table($messages)
        where not provisional

        -- Only of these there may be several in one session.
        union all
        select file_no, ordinal, id, min(position), to_json(list_sort(list(print)))
        from query_table($messages)
        where provisional
        group by all
    )
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
from sessions as session
join accepted using (file_no, ordinal)
join records using (file_no, ordinal)
join workspaces using (file_no)
left join instance_prints as i using (file_no, ordinal)
left join message_prints as m using (file_no, ordinal)
left join residue_prints as r using (file_no, ordinal)
where part = $part
