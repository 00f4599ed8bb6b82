-- Gives a message its id. SQLite. in: the id, its rowid
update chat_messages set id = ? where rowid = ?
