-- Whether two messages want one id, or one wants an id that another has of its own.
-- DuckDB. in: wanted_ids   out: one row: contested
select count(distinct wanted_id) < count(*) or coalesce(bool_or(contains(own_id, '@')), false) as contested
from wanted_ids
where not plain or contains(own_id, '@')
