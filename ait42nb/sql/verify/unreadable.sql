-- How many rows hold what the editor's row types cannot. SQLite. in: sessions, instances, chat_messages   out: unreadable
select
    (
        select count(*) from sessions
        where typeof(task) <> 'text' or typeof(type) <> 'text' or typeof(created_at) <> 'text'
            or typeof(updated_at) <> 'text' or typeof(preserve_worktrees) <> 'integer'
            or typeof(total_duration) not in ('integer', 'null')
            or max(
                coalesce(timeout_seconds, 0), coalesce(winner_id, 0), coalesce(total_files_changed, 0),
                coalesce(total_lines_added, 0), coalesce(total_lines_deleted, 0), instance_count, message_count
            ) not between 0 and 2147483647
    ) + (
        select count(*) from instances
        where typeof(worktree_path) <> 'text' or typeof(status) <> 'text'
            or max(
                instance_id, coalesce(files_changed, 0), coalesce(lines_added, 0), coalesce(lines_deleted, 0)
            ) not between 0 and 2147483647
    ) + (
        select count(*) from chat_messages
        where typeof(content) <> 'text' or typeof(role) <> 'text' or typeof(timestamp) <> 'text'
            or typeof(instance_id_ref) not in ('integer', 'null')
    ) as unreadable
