-- Takes what landed last out of the staging file. DuckDB. in: staging, $landed: how many rows are to stay
delete from staging.chat_messages where rowid > $landed
