-- broken_references: rows of a table that refer to none.
-- SQLite. in: $table   out: table, count, parent
select "table", count(*), parent
from pragma_foreign_key_check($table)
group by parent
