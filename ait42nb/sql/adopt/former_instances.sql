-- former_instances: the guide's rows, in their order, with the columns that they have.
-- SQLite. in: temp.former_instances
select * from temp.former_instances order by rowid
