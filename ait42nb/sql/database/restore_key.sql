-- restore_key: makes chat_messages what it was before `drop_key`, and the index that stands for its key SQLite's own.
-- SQLite, with writable_schema. in: sqlite_schema, $statement, which made the table
update sqlite_schema
set
    name = iif(type = 'index', 'sqlite_autoindex_chat_messages_1', name),
    sql = iif(type = 'index', null, $statement)
where name in ('chat_messages', 'chat_messages_key')
