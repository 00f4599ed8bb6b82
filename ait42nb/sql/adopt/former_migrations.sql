-- former_migrations: the records of the migrations that made the database.
-- SQLite. in: _sqlx_migrations   out: its columns, as they are
select * from _sqlx_migrations
