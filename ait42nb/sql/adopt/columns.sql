-- columns: what a column of the kit's schema holds, and whether a row needs a value for it; without the counts.
-- SQLite. in: $table   out: column, type, needed
select name as "column", type, pk or ("notnull" and dflt_value is null) as needed
from pragma_table_info($table)
where name not in ('instance_count', 'message_count')
