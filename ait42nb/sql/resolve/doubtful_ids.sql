-- doubtful_ids: the own ids that not everybody who has them may simply have. DuckDB.
-- in: messages, accepted, kept_ids, stored_renames, stored (the snapshot)   out: own_id
--
-- Most ids stand once, and nowhere else. Of those that share one, only the first could land under it.
select id as own_id from messages where provisional or contains(id, '@')
union
select messages.id from messages join kept_ids using (file_no, ordinal, position)
union
select id from messages semi join stored_renames using (id)
union
-- Stored for another session. (Hashes: all ids of both stores would not fit into memory; a doubt too many does no harm.)
select messages.id
from messages
join accepted using (file_no, ordinal)
join (select hash(id) as id_hash, hash(session_id) as session_hash from stored.chat_messages) as stored using (id_hash)
where stored.session_hash <> hash(accepted.session_id)
