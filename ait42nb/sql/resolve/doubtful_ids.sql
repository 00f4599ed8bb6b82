-- doubtful_ids: the own ids that not everybody who has them may simply have. DuckDB.
-- in: messages, accepted, repeated_ids, kept_ids, stored_renames, stored (the snapshot)   out: own_id
--
-- Most ids stand once, and nowhere else.
select id as own_id from messages where contains(id, '@') or hash(id) in (from repeated_ids)
union
select messages.id from messages join kept_ids using (file_no, ordinal, position)
union
select id from messages semi join stored_renames using (id)
union
-- Stored for another session. (Hashes: all ids of both stores would not fit into memory; a doubt too many does no harm.)
select messages.id
from messages
join accepted using (file_no, ordinal)
join (select hash(id) as id_hash, hash(session_id) as session_hash from stored.chat_messages) as stored
    on id_hash = hash(messages.id)
where stored.session_hash <> hash(accepted.session_id)
