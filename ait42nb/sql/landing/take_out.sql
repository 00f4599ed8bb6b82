-- Takes messages that follow each other out of the staging file. SQLite. in: the first rowid, the last
delete from chat_messages where rowid between ? and ?
