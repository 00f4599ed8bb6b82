-- The ids that a derived one may not have: own ids and stored ids that look like one. DuckDB. in: wanted_ids, stored
select own_id as id from wanted_ids where contains(own_id, '@')
union
select id from stored.chat_messages where contains(id, '@')
