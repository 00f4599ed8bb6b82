-- fill_counts: sets the sessions' counts where they are wrong.
-- SQLite. in: instances, chat_messages   out: sessions
with counted as materialized (
  select
    id,
    (select count(*) from instances where session_id = sessions.id) as instances,
    (select count(*) from chat_messages where session_id = sessions.id) as messages
  from sessions
)
update sessions
set instance_count = counted.instances, message_count = counted.messages
from counted
where counted.id = sessions.id
  and (sessions.instance_count, sessions.message_count) is not (counted.instances, counted.messages)
