-- Records what became of a file. SQLite.
insert into migration_files (
    source_path, workspace_hash, workspace_path, state, size_bytes, mtime_ns, sha256,
    sessions, instances, messages, balance, run_id, detail
)
values (
    $source_path, $workspace_hash, $workspace_path, $state, $size_bytes, $mtime_ns, $sha256,
    $sessions, $instances, $messages, $balance, $run_id, $detail
)
