-- workspaces: which files may go in, and where. DuckDB. in: $files, JSON: an object for each file that was read
-- out: a row a file; state is mapped, unmapped_workspace or hash_mismatch
select unnest(from_json($files, '[{
    "file_no": "INTEGER", "source_path": "VARCHAR", "state": "VARCHAR", "workspace_path": "VARCHAR", "exists_here": "BOOLEAN"
}]'), recursive := true)
