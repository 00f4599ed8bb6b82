-- Copies the instances of the sessions that this run reads. SQLite. in: main (the database), part (the copy), $ids
insert into part.instances
select * from main.instances where session_id in (select value from json_each($ids))
