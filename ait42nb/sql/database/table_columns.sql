-- table_columns: one row a column of each table of the schema, virtual tables without their columns.
-- SQLite. in: sqlite_master   out: table, column, needed (a row without a value for it would be refused)
select
  lower(m.name) as "table",
  lower(c.name) as "column",
  c."notnull" and c.dflt_value is null as needed
from sqlite_master m
-- a virtual table is not asked: that would load its module
left join pragma_table_info(case when m.sql like 'create virtual table%' then '' else m.name end) c
where m.type = 'table' and m.name not like 'sqlite\_%' escape '\'
order by m.rowid, c.cid
