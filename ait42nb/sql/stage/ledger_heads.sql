-- ledger_heads: what migration_ledger is to hold of each session that goes in, but for its messages. DuckDB.
-- in: accepted, records, workspaces, sessions, instances, residue
-- out: one row a session; head and tail are what stands before and after the messages in `base` (see add_ledger)
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

residue_prints as (
    select
        file_no, ordinal, fingerprint(string_agg(
            concat_ws('|', entity, list, document, "order"::varchar) order by entity, list, document
        )) as print
    from residue
    group by all
)

select
    part,
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
        ',"instances":{', i.prints, '},"messages":{'
    ) as head,
    concat('},"residue":', coalesce(to_json(r.print), 'null'), '}') as tail
from sessions as session
join accepted using (file_no, ordinal)
join records using (file_no, ordinal)
join workspaces using (file_no)
left join instance_prints as i using (file_no, ordinal)
left join residue_prints as r using (file_no, ordinal)
