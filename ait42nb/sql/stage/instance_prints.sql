-- instance_prints: fingerprints of the instances of each session that goes in. DuckDB. in: instances, accepted
-- out: one row a session that has any; prints: "number": [a fingerprint a column], …
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
