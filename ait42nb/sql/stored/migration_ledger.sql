-- Copies what the ledger has of the sessions that this run reads. SQLite. in: main (the database), part (the copy), $ids
insert into part.migration_ledger
select * from main.migration_ledger where session_id in (select value from json_each($ids))
