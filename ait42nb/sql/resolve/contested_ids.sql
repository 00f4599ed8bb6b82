-- Whether any message has to look for an id that is free: one that may not have its own, or wants one with an @.
-- DuckDB. in: wanted_ids, stored   out: one row: contested
select exists (from wanted_ids where not settled)
   and (
       (select count(distinct wanted_id) < count(*) from wanted_ids where not settled)
       or exists (from wanted_ids where contains(own_id, '@'))
       or exists (from stored.chat_messages where contains(id, '@'))
   ) as contested
