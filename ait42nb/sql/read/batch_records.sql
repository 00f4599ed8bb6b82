-- batch_records: each element of a batch as a whole: in order, or to be looked at one by one.
-- DuckDB. in: batch, places, batch_sessions, batch_instances, batch_messages; $repeats: what repeats was looked at
-- out: one row an element
--
-- Set aside is also what only repeats: a second element of one id in its file (its text goes to the rejects), and a
-- session in which two instances or two messages share an id. Of messages that do, those that are left are different
-- ones, and each gets an id of its own; of instances that do, none may go in.
with instance_facts as (
    select file_no, ordinal, count(*) as instances, bool_and(in_order) and count(distinct instance_id) = count(*) as fine
    from batch_instances
    group by all
),

message_facts as (
    select file_no, ordinal, count(*) as messages, bool_and(in_order) and ($repeats or count(distinct id) = count(*)) as fine
    from batch_messages
    group by all
)

select
    session.file_no,
    session.ordinal,
    session.id,
    sha256(document) as sha256,
    coalesce(instances, 0) as instances,
    coalesce(messages, 0) as messages,
    session.in_order and coalesce(i.fine, true) and coalesce(m.fine, true)
        and ($repeats or row_number() over (partition by session.file_no, session.id order by session.ordinal) = 1) as in_order
from batch
join places on places.element = batch.rowid
join batch_sessions as session on session.file_no = places.file_no and session.ordinal = places.ordinal
left join instance_facts as i on i.file_no = places.file_no and i.ordinal = places.ordinal
left join message_facts as m on m.file_no = places.file_no and m.ordinal = places.ordinal
