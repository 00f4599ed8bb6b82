-- rejects: the records that are not in the main tables, and why. DuckDB.
-- in: verdicts, violations, workspaces, $rules (the rules in the order in which they are told), $codes and $words (why a whole record is not taken)
-- out: one row a record; detail is a JSON list of everything that is wrong with it, the first is the reason
with told as (
    select file_no, ordinal, -1 as place, reason, 'session' as entity, '/' || ordinal as pointer, null as key,
        map($codes, $words)[reason] as detail
    from verdicts
    where reason is not null

    union all
    select file_no, ordinal, list_position($rules, reason), reason, entity, pointer, key, detail
    from violations
)

select
    file_no,
    ordinal,
    source_path,
    '/' || ordinal as pointer,
    session_id as key,
    first(told.reason order by place, told.pointer) as reason,
    to_json(list(
        {'reason': told.reason, 'entity': told.entity, 'pointer': told.pointer, 'key': told.key, 'detail': told.detail}
        order by place, told.pointer
    ))::varchar as detail,
    instances,
    messages
from verdicts
join workspaces using (file_no)
join told using (file_no, ordinal)
where verdict <> 'accepted'
group by all
order by file_no, ordinal
