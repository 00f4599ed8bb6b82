-- Records what became of a file; what is as it was is not written again. SQLite.
insert into migration_files (
    source_path, workspace_hash, workspace_path, state, size_bytes, mtime_ns, sha256,
    sessions, instances, messages, balance, run_id, detail
)
values (
    $source_path, $workspace_hash, $workspace_path, $state, $size_bytes, $mtime_ns, $sha256,
    $sessions, $instances, $messages, $balance, $run_id, $detail
)
on conflict (source_path) do update set
    workspace_hash = excluded.workspace_hash,
    workspace_path = excluded.workspace_path,
    state = excluded.state,
    size_bytes = excluded.size_bytes,
    mtime_ns = excluded.mtime_ns,
    sha256 = excluded.sha256,
    sessions = excluded.sessions,
    instances = excluded.instances,
    messages = excluded.messages,
    balance = excluded.balance,
    run_id = excluded.run_id,
    detail = excluded.detail
where (
    migration_files.workspace_hash, migration_files.workspace_path, migration_files.state, migration_files.size_bytes,
    migration_files.mtime_ns, migration_files.sha256, migration_files.sessions, migration_files.instances,
    migration_files.messages, migration_files.detail
) is not (
    excluded.workspace_hash, excluded.workspace_path, excluded.state, excluded.size_bytes,
    excluded.mtime_ns, excluded.sha256, excluded.sessions, excluded.instances,
    excluded.messages, excluded.detail
)
