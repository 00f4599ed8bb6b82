-- stored_messages: the ids under which messages are stored, of the sessions that go in. DuckDB. in: stored, accepted
-- out: one row a message; own_id: the id that it had in JSON
--
-- A residue that has it begins with it. The rest is not read as JSON: it may hold what no library reads.
select
    message.session_id,
    coalesce(text_of(nullif(regexp_extract(document, '^\{"id":("([^"\\]|\\.)*")', 1), '')), message.id) as own_id,
    message.id
from (select id, session_id from stored.chat_messages) as message
semi join accepted using (session_id)
left join (select session_id, key, document from stored.migration_residue where entity = 'message') as residue
    on residue.session_id = message.session_id and residue.key = message.id
