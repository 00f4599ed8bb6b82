-- suspects: rows that are stored otherwise than they stand in their source, in another order, or on one side only.
-- DuckDB. in: expected, stored
select
    entity, session_id, key,
    expected.value_hash is not null as is_expected,
    stored.value_hash is not null as is_stored,
    expected.place as expected_place,
    stored.place as stored_place
from expected
full join stored using (entity, session_id, key)
where (expected.value_hash, expected.place) is distinct from (stored.value_hash, stored.place)
