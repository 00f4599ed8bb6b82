-- validate: the guide's validation in one row.
-- SQLite. in: sessions, instances, chat_messages   out: the first six fields of ValidationReport
select
  (select count(*) from sessions) as session_count,
  (select count(*) from instances) as instance_count,
  (select count(*) from chat_messages) as message_count,
  (select count(*) from instances where session_id not in (select id from sessions)) as orphaned_instances,
  (
    select coalesce(sum(messages), 0)
    from (select session_id, count(*) as messages from chat_messages group by session_id)
    where session_id not in (select id from sessions)
  ) as orphaned_messages,
  (
    select count(*) from sessions where status not in ('running', 'completed', 'failed', 'paused')
  ) as invalid_statuses
