-- batch_accepted: the records of a batch that go in. DuckDB. in: accepted, places, odd; $straightened as in chat_messages
select accepted.*
from accepted
semi join places using (file_no, ordinal)
where exists (from odd where odd.file_no = accepted.file_no and odd.ordinal = accepted.ordinal) = $straightened
