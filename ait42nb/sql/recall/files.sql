-- What is on record of each session file, and whether that still tells all that a run over it would find. SQLite.
-- in: $kit_version
-- out: source_path, workspace_hash, workspace_path, size_bytes, mtime_ns, sha256, settled (JSON), run_id, known
--
-- known: read by this version of the kit, and nobody has written to its sessions in the database since. A file with
-- something that a person deleted from the database is read each time: what it holds may still want its ids.
select
    source_path, workspace_hash, workspace_path, size_bytes, mtime_ns, sha256, settled.balance as settled, run_id,
    state in ('read', 'malformed', 'not_an_array', 'invalid_utf8')
    and $kit_version is (
        select kit_version from migration_runs
        where kind = 'migrate' and finished_at is not null
        order by run_id desc
        limit 1
    )
    and source_path not in (
        select source_path from migration_touched join migration_ledger using (session_id)
    )
    and source_path not in (
        select source_path from migration_rejects where reason = 'deleted_in_database' and source_path is not null
    ) as known
from migration_files
left join migration_settled as settled using (source_path)
where state <> 'gone'
