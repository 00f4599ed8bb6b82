-- warnings: what accepted records were taken in spite of, counted. DuckDB.
-- in: accepted, sessions, instances, messages, notes   out: reason, count
with session as (
    select * from sessions semi join accepted using (file_no, ordinal)
),

instance as (
    select * from instances semi join accepted using (file_no, ordinal)
),

message as (
    select * from messages semi join accepted using (file_no, ordinal)
),

times as (
    select unnest([created_at, updated_at, completed_at]) as moment from session
    union all
    select unnest([start_time, end_time]) from instance
)

select reason, count(*) as count
from (
    select 'unknown_type' as reason from session where type not in ('competition', 'ensemble', 'debate')
    union all
    select 'unknown_instance_status' from instance
    where status not in ('idle', 'running', 'completed', 'failed', 'paused', 'archived', 'timeout')
    union all
    select 'unknown_runtime' from instance where runtime not in ('claude', 'codex', 'gemini')
    union all
    select 'unknown_role' from message where not known_role
    union all
    select 'invalid_timestamp' from times where moment is not null and not is_rfc3339(moment)
    union all
    select 'invalid_timestamp' from message where not timed
    union all
    select reason from notes semi join accepted using (file_no, ordinal)
)
group by reason
order by reason
