-- verdicts: what becomes of every element of every source array.
-- DuckDB. in: records, workspaces, contenders   out: one row an element; verdict is accepted, held or shadowed; reason
-- as in migration_rejects: NULL for what is accepted, and for what is held for its violations
select
    file_no,
    ordinal,
    records.id as session_id,
    case
        when workspaces.state <> 'mapped' then 'held'
        when ordinal > min(ordinal) over claim then 'shadowed'
        when not in_order then 'held'
        when place > 1 then 'shadowed'
        else 'accepted'
    end as verdict,
    case
        when workspaces.state <> 'mapped' then workspaces.state
        when ordinal > min(ordinal) over claim then 'shadowed_duplicate'
        when not in_order then null
        when place > 1 then 'superseded'
    end as reason,
    records.instances,
    records.messages
from records
join workspaces using (file_no)
left join contenders using (file_no, ordinal)
-- Records without an id of their own share none.
window claim as (partition by file_no, coalesce(records.id, ordinal::varchar), records.id is null)
