-- accepted: the records that go in. DuckDB. in: verdicts, contenders
-- out: one row a session; age orders them by when they were created (unreadable times last), then by id
select
    file_no,
    ordinal,
    session_id,
    row_number() over (order by created nulls last, encode(session_id)) as age
from verdicts
join contenders using (file_no, ordinal, session_id)
where verdict = 'accepted'
