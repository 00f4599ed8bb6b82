-- deferrable: triggers, or indexes that are not part of a constraint, in the order in which they were made.
-- SQLite. in: sqlite_master, $type (trigger or index), $tables (JSON array)   out: drop_statement, create_statement
select printf('drop %s "%w"', type, name) as drop_statement, sql as create_statement
from sqlite_master
where type = $type and sql is not null and tbl_name in (select value from json_each($tables))
order by rowid
