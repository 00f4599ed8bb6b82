-- ambiguous_ids: the own ids of a session of which it is to be found out which stored message is whose: several messages
-- have it in JSON, or one is stored under another. Of all others the stored id is their own.
-- DuckDB. in: messages, accepted, stored_renames   out: session_id, own_id
select session_id, messages.id as own_id
from messages
join accepted using (file_no, ordinal)
where provisional
group by all
having count(*) > 1
union
select session_id, own_id from stored_renames
