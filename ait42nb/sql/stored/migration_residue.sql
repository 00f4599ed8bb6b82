-- Copies what is kept beside the sessions that this run reads. SQLite. in: main (the database), part (the copy), $ids
insert into part.migration_residue
select * from main.migration_residue where session_id in (select value from json_each($ids))
