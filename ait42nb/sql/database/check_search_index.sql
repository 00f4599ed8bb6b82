-- check_search_index: lets FTS5 examine the index, by way of a temporary copy.
-- SQLite; a script, run statement by statement. in: sessions_fts   raises: "database disk image is malformed"
--
-- The examination is an INSERT to FTS5, so on the table itself it would need the write lock, and could not be had on a
-- connection that only reads. rank = 1 also compares the index with the text.
create virtual table temp.search_copy using fts5 (task, tokenize = 'trigram');

delete from temp.search_copy_config;
delete from temp.search_copy_content;
delete from temp.search_copy_data;
delete from temp.search_copy_docsize;
delete from temp.search_copy_idx;

insert into temp.search_copy_config select * from main.sessions_fts_config;
insert into temp.search_copy_content select * from main.sessions_fts_content;
insert into temp.search_copy_data select * from main.sessions_fts_data;
insert into temp.search_copy_docsize select * from main.sessions_fts_docsize;
insert into temp.search_copy_idx select * from main.sessions_fts_idx;

insert into temp.search_copy (search_copy, rank) values ('integrity-check', 1);
