-- A session's messages in JSON's order, with their rows in the database. SQLite. in: $session_id   out: id, row_id
select ours.id, theirs.rowid
from ours.chat_messages as ours
join main.chat_messages as theirs on theirs.id = ours.id and theirs.session_id = ours.session_id
where ours.session_id = $session_id
order by ours.rowid
