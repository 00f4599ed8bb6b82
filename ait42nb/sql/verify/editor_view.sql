-- What the editor gets to see of one workspace: its three queries, and what its row types cannot hold.
-- SQLite. in: $workspace_path   out: sessions, instances, messages, unreadable
with session as (
    select *
    from sessions
    where workspace_path = $workspace_path
),

instance as (
    select instances.* from session join instances on instances.session_id = session.id
),

message as (
    select chat_messages.* from session join chat_messages on chat_messages.session_id = session.id
)

select
    (select count(*) from session) as sessions,
    (select count(*) from instance) as instances,
    (select count(*) from message) as messages,
    (
        select count(*) from session
        where typeof(task) <> 'text' or typeof(type) <> 'text' or typeof(created_at) <> 'text'
            or typeof(updated_at) <> 'text' or typeof(preserve_worktrees) <> 'integer'
            or typeof(total_duration) not in ('integer', 'null')
            or max(
                coalesce(timeout_seconds, 0), coalesce(winner_id, 0), coalesce(total_files_changed, 0),
                coalesce(total_lines_added, 0), coalesce(total_lines_deleted, 0), instance_count, message_count
            ) not between 0 and 2147483647
    ) + (
        select count(*) from instance
        where typeof(worktree_path) <> 'text' or typeof(status) <> 'text'
            or max(
                instance_id, coalesce(files_changed, 0), coalesce(lines_added, 0), coalesce(lines_deleted, 0)
            ) not between 0 and 2147483647
    ) + (
        select count(*) from message
        where typeof(content) <> 'text' or typeof(role) <> 'text' or typeof(timestamp) <> 'text'
            or typeof(instance_id_ref) not in ('integer', 'null')
    ) as unreadable
