-- insert_migration: records a migration as sqlx does, in the migration's own transaction.
-- SQLite. in: $version, $description, $checksum (SHA-384 of the file), $execution_time (ns)   out: _sqlx_migrations
insert into _sqlx_migrations (version, description, success, checksum, execution_time)
values ($version, $description, true, $checksum, $execution_time)
