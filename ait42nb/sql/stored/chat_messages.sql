-- Copies the messages of the sessions that this run reads, and those that stand in the way of an id that it may give.
-- SQLite. in: main (the database), part (the copy), $ids: of sessions and of messages
--
-- A derived id is another one with an @ after it, and what begins with id@ stands before idA.
insert into part.chat_messages (rowid, id, session_id, instance_id_ref, role, content, timestamp)
select rowid, id, session_id, instance_id_ref, role, content, timestamp
from main.chat_messages
where rowid in (
    select message.rowid from json_each($ids) as wanted
    cross join main.chat_messages as message on message.session_id = wanted.value
    union
    select message.rowid from json_each($ids) as wanted
    cross join main.chat_messages as message on message.id = wanted.value
    union
    select message.rowid from json_each($ids) as wanted
    cross join main.chat_messages as message on message.id >= wanted.value || '@' and message.id < wanted.value || 'A'
)
order by rowid
