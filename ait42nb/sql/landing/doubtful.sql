-- The hashes of the ids that stand twice in a part of the messages, or in one before. DuckDB.
-- in: $part, its table; messages, the parts before   out: id_hash
select id_hash from query_table($part) group by all having count(*) > 1
union all
select id_hash from messages semi join query_table($part) using (id_hash)
