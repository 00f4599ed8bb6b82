-- suspects: the sessions of which something is stored otherwise than it stands in the source, in another order, or on one
-- side only. DuckDB. in: expected, stored
select entity, session_id
from expected
full join stored using (entity, session_id)
where (expected.row_count, expected.values_sum, expected.order_sum)
    is distinct from (stored.row_count, stored.values_sum, stored.order_sum)
