-- How many sessions, instances and messages go in. DuckDB. in: accepted, instances, messages
select
    (select count(*) from accepted) as sessions,
    (select count(*) from instances semi join accepted using (file_no, ordinal)) as instances,
    (select count(*) from messages semi join accepted using (file_no, ordinal)) as messages
