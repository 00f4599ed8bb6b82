-- Copies everything that is not in the main tables: this run may find some of it again. SQLite.
-- in: main (the database), part (the copy)
insert into part.migration_rejects select * from main.migration_rejects
