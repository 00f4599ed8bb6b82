-- search_indexes: full-text indexes that hold no text of their own, with their shadow tables after them.
-- SQLite. in: sqlite_master   out: search_index, name, drop_statement
with search_indexes as (
  select name
  from sqlite_master
  where sql like 'create virtual table%using fts%'
    and (
      lower(name) in ('sessions_fts', 'instances_fts', 'chat_messages_fts')
      -- content = '' or another table; a column may be called content, too
      or replace(replace(replace(lower(sql), ' ', ''), char(9), ''), char(10), '') glob '*[(,]content=*'
    )
)
select i.name as search_index, t.name, printf('drop table if exists main."%w"', t.name) as drop_statement
from search_indexes i
join sqlite_master t
  on t.type = 'table'
  and substr(t.name, 1, length(i.name)) = i.name
  and substr(t.name, length(i.name) + 1)
    in ('', '_data', '_idx', '_content', '_docsize', '_config', '_segments', '_segdir', '_stat')
order by i.name, t.name
