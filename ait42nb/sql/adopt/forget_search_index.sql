-- forget_search_index: strikes a virtual table from the schema; its shadow tables are ordinary ones then.
-- SQLite, with writable_schema on. in: $name   out: sqlite_master
delete from sqlite_master where name = $name
