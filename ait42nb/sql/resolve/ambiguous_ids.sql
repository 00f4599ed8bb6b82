-- ambiguous_ids: the own ids of a session of which it is to be found out which stored message is whose: several messages
-- have it in JSON, or one is stored under another. Of all others the stored id is their own.
-- DuckDB. in: messages, accepted, repeated_ids, stored_renames   out: session_id, own_id
select session_id, messages.id as own_id
from messages
semi join repeated_ids on id_hash = hash(id)
join accepted using (file_no, ordinal)
group by all
having count(*) > 1
union
select session_id, own_id from stored_renames
