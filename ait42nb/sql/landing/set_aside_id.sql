-- Gives a message an id that nobody else has, nor will have: no text is equal to a blob. SQLite. in: its rowid
update chat_messages set id = cast(rowid as blob) where rowid = ?
