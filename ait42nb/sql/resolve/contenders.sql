-- contenders: for each session id the record of each file that claims it first, and who of them wins.
-- DuckDB. in: records, sessions, workspaces, stored_sources   out: one row a record that is in order, in a mapped file; place 1 wins
--
-- The latest updatedAt wins, as an instant, then the latest createdAt, then the one that is stored, then a workspace whose
-- folder exists, then the smallest path. A record claims its id for its file even when it is held, or in the wrong place.
with first_claim as (
    select file_no, id, min(ordinal) as ordinal
    from records
    where id is not null
    group by all
)

select
    file_no,
    ordinal,
    session.id as session_id,
    instant(session.created_at) as created,
    row_number() over (
        partition by session.id
        order by
            instant(session.updated_at) desc nulls last,
            instant(session.created_at) desc nulls last,
            workspaces.source_path is not distinct from stored_sources.source_path desc,
            exists_here desc,
            workspace_path,
            workspaces.source_path
    ) as place
from first_claim
join sessions as session using (file_no, ordinal)
join workspaces using (file_no)
left join stored_sources on stored_sources.session_id = session.id
where workspaces.state = 'mapped'
