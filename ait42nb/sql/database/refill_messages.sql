-- refill_messages: puts the messages into the table that has a key. SQLite. in: keyless_messages   out: chat_messages
insert into chat_messages (rowid, id, session_id, instance_id_ref, role, content, timestamp)
select rowid, id, session_id, instance_id_ref, role, content, timestamp
from keyless_messages
order by rowid
