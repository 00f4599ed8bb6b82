-- create_migrations_table: sqlx's record of the migrations that a database has, to the letter.
-- SQLite. out: _sqlx_migrations
create table if not exists _sqlx_migrations (
  version        BIGINT PRIMARY KEY,
  description    TEXT NOT NULL,
  installed_on   TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP,
  success        BOOLEAN NOT NULL,
  checksum       BLOB NOT NULL,
  execution_time BIGINT NOT NULL
)
