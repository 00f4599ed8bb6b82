-- former_schema: what the database was made with.
-- SQLite. in: sqlite_master   out: type, name, table, statement
select type, name, tbl_name as "table", sql as statement
from sqlite_master
where sql is not null
order by rowid
