-- earlier_paths: the workspace paths that are stored already; whoever stored them, each is proven again.
-- SQLite. in: migration_files, sessions   out: workspace_hash, workspace_path
select workspace_hash, workspace_path
from migration_files
where typeof(workspace_path) = 'text'
union all
-- What the editor or the guide's tool stored has no hash beside it: the path stands for itself.
select distinct workspace_path, workspace_path
from sessions
where typeof(workspace_path) = 'text'
