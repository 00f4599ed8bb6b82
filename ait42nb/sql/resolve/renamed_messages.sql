-- renamed_messages: the messages that are stored under another id than their own. DuckDB.
-- in: wanted_ids; chosen, the ids of those that could not have the one that they wanted
select file_no, ordinal, position, own_id, coalesce(chosen.id, wanted_id) as id
from wanted_ids
left join chosen using (file_no, ordinal, position)
where coalesce(chosen.id, wanted_id) <> own_id
