-- How many rows hold a number that the editor's row types cannot. SQLite. in: sessions, instances   out: unreadable
--
-- (Values of another type than their column's are found when they are read for the comparison.)
select
    (
        select count(*) from sessions
        where max(
            coalesce(timeout_seconds, 0), coalesce(winner_id, 0), coalesce(total_files_changed, 0),
            coalesce(total_lines_added, 0), coalesce(total_lines_deleted, 0), instance_count, message_count
        ) not between 0 and 2147483647
    ) + (
        select count(*) from instances
        where max(
            instance_id, coalesce(files_changed, 0), coalesce(lines_added, 0), coalesce(lines_deleted, 0)
        ) not between 0 and 2147483647
    ) as unreadable
