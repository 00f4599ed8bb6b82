-- The messages that stand in the staging file under another id than they get. DuckDB.
-- in: messages, accepted, renamed_messages   out: id, row_id; in_the_way: whether another may be to get the id that it has there
select coalesce(renamed.id, messages.id) as id, row_id, not provisional as in_the_way
from messages
semi join accepted using (file_no, ordinal)
left join renamed_messages as renamed using (file_no, ordinal, position)
where provisional or renamed.id is not null
