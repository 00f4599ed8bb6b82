-- message_count: how many messages are to be stored. DuckDB. in: messages, accepted
select count(*) from messages semi join accepted using (file_no, ordinal)
