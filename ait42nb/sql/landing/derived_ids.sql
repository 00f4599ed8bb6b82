-- The messages that get another id than their own, under which they landed. DuckDB. in: messages, renamed_messages
-- out: id, row_id
select renamed.id, row_id
from messages
join renamed_messages as renamed using (file_no, ordinal, position)
