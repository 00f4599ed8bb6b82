-- What ait42nb writes down about its own work, in the same file and the same transactions as the data.
-- SQLite (3.34 or newer), run by ait42nb or by sqlx as it stands. The editor needs none of these tables.
--
-- source_path is relative to the home everywhere: "sessions/0123456789abcdef.json".
-- All are rowid tables: DuckDB cannot read others.

create table migration_runs (
  run_id      TEXT PRIMARY KEY NOT NULL,  -- sorts by time
  kind        TEXT NOT NULL,              -- migrate, adoption, rollback, retention, drill
  started_at  TEXT NOT NULL,              -- RFC 3339, UTC
  finished_at TEXT,                       -- NULL: the run was cut off
  kit_version TEXT NOT NULL,              -- of ait42nb
  outcome     TEXT,                       -- ok, held, failed
  summary     TEXT                        -- JSON, as the notebook's summary cell
);

create table migration_files (
  source_path    TEXT PRIMARY KEY NOT NULL,  -- relative to the home
  workspace_hash TEXT,                       -- the file's name without .json
  workspace_path TEXT,                       -- the folder behind the hash; NULL where nobody knows
  state          TEXT NOT NULL,              -- what became of the file
  size_bytes     INTEGER,                    -- when it was read
  mtime_ns       INTEGER,                    -- when it was read
  sha256         TEXT,                       -- of the bytes that were read, hexadecimal
  sessions       INTEGER,                    -- how many it holds
  instances      INTEGER,                    -- how many it holds
  messages       INTEGER,                    -- how many it holds
  balance        TEXT,                       -- JSON: what became of each of them
  run_id         TEXT NOT NULL,              -- the run that read it last
  detail         TEXT                        -- plain words
);

-- JSON as the last run saw it, whoever won: the base of the three-way merge. An entry is never removed.
create table migration_ledger (
  session_id      TEXT PRIMARY KEY NOT NULL,  -- sessions.id; the session itself may be gone
  source_path     TEXT NOT NULL,              -- the file it stands in
  pointer         TEXT NOT NULL,              -- where in the file: RFC 6901, "/3"
  document_sha256 TEXT NOT NULL,              -- of its whole text in JSON, hexadecimal
  base            TEXT NOT NULL,              -- JSON: short hashes, by which any value that differs from then is found
  run_id          TEXT NOT NULL               -- the run that wrote this entry
);

-- Everything that is not in the main tables, whole; one row a record.
create table migration_rejects (
  reject_id      INTEGER PRIMARY KEY,         -- of no meaning
  run_id         TEXT NOT NULL,               -- the run that held it back
  source_path    TEXT,                        -- the file it stands in
  pointer        TEXT,                        -- RFC 6901, "/3/instances/0"; '' a file, NULL a version from the database
  entity         TEXT NOT NULL,               -- file, session, instance, message
  key            TEXT,                        -- its own id
  reason         TEXT NOT NULL,               -- the code of its first violation
  detail         TEXT,                        -- JSON list of all violations, each with pointer and plain words
  instances      INTEGER NOT NULL DEFAULT 0,  -- how many it holds, for the books
  messages       INTEGER NOT NULL DEFAULT 0,  -- how many it holds, for the books
  document       TEXT,                        -- its whole original text
  document_bytes BLOB                         -- a file that is not UTF-8: DuckDB reads no BLOB from a TEXT column
);

create index migration_rejects_by_source on migration_rejects (source_path);

-- What a stored record's columns cannot say, as it was written.
create table migration_residue (
  entity     TEXT NOT NULL,  -- session, instance, message, order
  session_id TEXT NOT NULL,  -- sessions.id
  key        TEXT NOT NULL,  -- '' the session; else instance_id, stored message id, or the list's name
  document   TEXT NOT NULL,  -- JSON object; unknown keys and their values in raw text
  PRIMARY KEY (entity, session_id, key)
);
