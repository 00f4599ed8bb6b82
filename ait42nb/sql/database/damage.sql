-- What is wrong with a database's tables, the first of it. SQLite. out: damage
--
-- Table by table, and none for virtual ones: newer SQLites would ask each to check itself, and the search index of a
-- database that is to be adopted may be in any state. The tables that such an index keeps its data in are checked.
select damage.quick_check as damage
from pragma_table_list as listed, pragma_quick_check(listed.name) as damage
where listed.schema = 'main' and listed.type <> 'virtual' and damage.quick_check <> 'ok'
limit 1
