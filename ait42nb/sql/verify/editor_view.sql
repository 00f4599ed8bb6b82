-- What the editor gets to see of one workspace by its three queries. SQLite. in: $workspace_path
-- out: sessions, instances, messages
select
    (select count(*) from sessions where workspace_path = $workspace_path) as sessions,
    (
        select count(*) from sessions join instances on instances.session_id = sessions.id
        where workspace_path = $workspace_path
    ) as instances,
    (
        select count(*) from sessions join chat_messages on chat_messages.session_id = sessions.id
        where workspace_path = $workspace_path
    ) as messages
