-- applied_migrations: what sqlx, or the kit in its name, has recorded.
-- SQLite. in: _sqlx_migrations   out: version, success, checksum
select version, success, checksum
from _sqlx_migrations
order by version
