-- The workspaces that earlier runs knew. SQLite. out: workspace_hash, workspace_path
select workspace_hash, workspace_path
from migration_files
where workspace_path is not null and workspace_hash is not null
