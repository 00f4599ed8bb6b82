-- The files as they were read, and by which run last. SQLite. out: source_path, size_bytes, mtime_ns, sha256, run_id
select source_path, size_bytes, mtime_ns, sha256, run_id
from migration_files
