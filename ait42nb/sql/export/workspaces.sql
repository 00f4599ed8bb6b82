-- workspaces: the files that are known to belong to a workspace. SQLite. in: migration_files   out: workspace_path, workspace_hash
select workspace_path, workspace_hash
from migration_files
where workspace_path is not null and workspace_hash is not null
