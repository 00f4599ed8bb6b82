-- What staging.migration_residue is to hold, in the same order each time. DuckDB. in: residue, accepted, instances, messages, renamed_messages, message_residue
with listed as (
    select file_no, ordinal, list, unnest("order") as position, generate_subscripts("order", 1) as place
    from residue
    where entity = 'order'
)

select 'session' as entity, session_id, '' as key, document
from residue
join accepted using (file_no, ordinal)
where entity = 'session'

union all
select 'instance', session_id, instance_id::varchar, document
from residue
join accepted using (file_no, ordinal)
join instances using (file_no, ordinal, position)
where entity = 'instance'

union all
select 'message', session_id, id, document
from message_residue

-- For each element of a list with repeats the key of the one that is stored.
union all
select 'order', session_id, list, concat('{"order":', to_json(list(instance_id order by place)), '}')
from listed
join accepted using (file_no, ordinal)
join instances using (file_no, ordinal, position)
where list = 'instances'
group by all

union all
select 'order', session_id, list, concat('{"order":', to_json(list(coalesce(renamed.id, messages.id) order by place)), '}')
from listed
join accepted using (file_no, ordinal)
join messages using (file_no, ordinal, position)
left join renamed_messages as renamed using (file_no, ordinal, position)
where list = 'chatHistory'
group by all

order by entity, session_id, key
