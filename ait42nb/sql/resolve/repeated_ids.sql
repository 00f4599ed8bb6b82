-- repeated_ids: the hashes of the ids that several messages have. DuckDB. in: messages   out: id_hash
--
-- Two ids of one hash are a doubt too many, which does no harm.
select hash(id) as id_hash
from messages
group by all
having count(*) > 1
