-- Copies what is on record of the files. SQLite. in: main (the database), part (the copy)
insert into part.migration_files select * from main.migration_files
