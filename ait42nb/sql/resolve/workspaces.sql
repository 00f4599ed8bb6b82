-- workspaces: which files may go in, and where. DuckDB.
-- in: $file_nos, $source_paths, $states, $paths, $exist, one entry a file that was read
select
    unnest($file_nos)::integer as file_no,
    unnest($source_paths)::varchar as source_path,
    unnest($states)::varchar as state,           -- mapped, unmapped_workspace or hash_mismatch
    unnest($paths)::varchar as workspace_path,
    unnest($exist)::boolean as exists_here
