-- How many records are kept for each reason. SQLite. out: reason, count
select reason, count(*) as count from main.migration_rejects group by reason
