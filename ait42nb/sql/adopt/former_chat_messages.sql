-- former_chat_messages: the guide's rows, in their order, with the columns that they have.
-- SQLite. in: temp.former_chat_messages
select * from temp.former_chat_messages order by rowid
