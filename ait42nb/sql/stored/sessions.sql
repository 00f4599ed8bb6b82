-- Copies the sessions that this run reads. SQLite. in: main (the database), part (the copy), $ids
insert into part.sessions
select * from main.sessions where id in (select value from json_each($ids))
