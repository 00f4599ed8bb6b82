-- stored_renames: the messages that are stored under another id than their own, of the sessions that go in. DuckDB.
-- in: stored, accepted   out: session_id, own_id, id
--
-- A residue that has the own id begins with it. The rest is not read as JSON: it may hold what no library reads.
with renamed as (
    select session_id, key as id, text_of(nullif(regexp_extract(document, '^\{"id":("([^"\\]|\\.)*")', 1), '')) as own_id
    from (select session_id, key, document from stored.migration_residue where entity = 'message')
    semi join accepted using (session_id)
)

select session_id, own_id, id
from (select id, session_id from stored.chat_messages)
join (from renamed where own_id is not null) using (session_id, id)
