-- balance: where everything went, counted in the staging file and not by who put it there.
-- DuckDB. in: source_counts, staging   out: one row a file and kind: source, inserted, shadowed, held
with stored as (
    select
        source_path,
        count(*) as sessions,
        sum(session.instance_count)::bigint as instances,
        sum(session.message_count)::bigint as messages
    from staging.migration_ledger
    join staging.sessions as session on session.id = session_id
    group by source_path
),

collapsed as (
    select
        source_path,
        key as list,
        sum(json_array_length(document, '$.order') - len(list_distinct((document -> '$.order')::varchar[]))) as repeats
    from staging.migration_residue
    join staging.migration_ledger using (session_id)
    where entity = 'order'
    group by all
),

rejected as (
    select
        source_path,
        reason in ('shadowed_duplicate', 'superseded') as aside,
        count(*) as sessions,
        sum(instances)::bigint as instances,
        sum(messages)::bigint as messages
    from staging.migration_rejects
    where entity = 'session'
    group by all
),

kinds as (
    select source_path, unnest(['sessions', 'instances', 'messages']) as kind
    from source_counts
)

select
    source_path,
    kind,
    case kind when 'sessions' then source.sessions when 'instances' then source.instances else source.messages end as source,
    coalesce(case kind when 'sessions' then stored.sessions when 'instances' then stored.instances else stored.messages end, 0) as inserted,
    coalesce(case kind when 'sessions' then aside.sessions when 'instances' then aside.instances else aside.messages end, 0)
        + coalesce(repeats, 0) as shadowed,
    coalesce(case kind when 'sessions' then held.sessions when 'instances' then held.instances else held.messages end, 0) as held
from kinds
join source_counts as source using (source_path)
left join stored using (source_path)
left join rejected as aside on aside.source_path = kinds.source_path and aside.aside
left join rejected as held on held.source_path = kinds.source_path and not held.aside
left join collapsed
    on collapsed.source_path = kinds.source_path
    and collapsed.list = case kind when 'instances' then 'instances' when 'messages' then 'chatHistory' end
order by source_path, kind
