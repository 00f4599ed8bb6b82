-- The editor's session history: sessions, their instances, their chat messages.
-- SQLite (3.34 or newer), run by ait42nb or by sqlx as it stands.
--
-- Text is stored exactly as it was written, times included: "…Z" and "…+00:00" stand side by side.
-- Refused is only what the guide's validation calls invalid: no limit on lengths, no list of roles, runtimes or
-- instance states.

create table sessions (
  id                  TEXT PRIMARY KEY NOT NULL,   -- the editor's own id
  workspace_path      TEXT NOT NULL,               -- the folder, in the spelling that gives the JSON file's hash
  type                TEXT NOT NULL,               -- competition, ensemble, debate; others are kept
  task                TEXT NOT NULL,               -- what the person asked for; searched through sessions_fts
  status              TEXT NOT NULL                -- the only list of values that is enforced
                      CHECK (status IN ('running', 'completed', 'failed', 'paused')),
  created_at          TEXT NOT NULL,               -- RFC 3339
  updated_at          TEXT NOT NULL,               -- RFC 3339; not always raised when something changes
  completed_at        TEXT,                        -- RFC 3339
  model               TEXT,                        -- the model that was asked for
  timeout_seconds     INTEGER,                     -- how long the session may run
  preserve_worktrees  INTEGER NOT NULL DEFAULT 0   -- 1: the worktrees stay when the session ends
                      CHECK (preserve_worktrees IN (0, 1)),
  winner_id           INTEGER,                     -- instances.instance_id of the winner
  runtime_mix         TEXT,                        -- JSON array of texts, compact
  total_duration      INTEGER,                     -- up to 64 bits; all other numbers have 32
  total_files_changed INTEGER,                     -- over all instances
  total_lines_added   INTEGER,                     -- over all instances
  total_lines_deleted INTEGER,                     -- over all instances
  instance_count      INTEGER NOT NULL DEFAULT 0,  -- kept by the triggers below, whoever writes
  message_count       INTEGER NOT NULL DEFAULT 0   -- kept by the triggers below, whoever writes
);

create table instances (
  id              INTEGER PRIMARY KEY AUTOINCREMENT,  -- never given twice: messages refer to it
  session_id      TEXT NOT NULL                       -- sessions.id
                  REFERENCES sessions (id) ON DELETE CASCADE,
  instance_id     INTEGER NOT NULL,                   -- the editor's number within the session, from 0 or from 1
  worktree_path   TEXT NOT NULL,                      -- the instance's own checkout
  branch          TEXT NOT NULL,                      -- the checkout's branch
  agent_name      TEXT NOT NULL,                      -- who works there, as the editor shows it
  status          TEXT NOT NULL,                      -- idle, running, completed, failed, paused, archived, …
  tmux_session_id TEXT NOT NULL,                      -- the terminal it runs in
  output          TEXT,                               -- what it printed
  start_time      TEXT,                               -- RFC 3339
  end_time        TEXT,                               -- RFC 3339
  files_changed   INTEGER,                            -- by this instance
  lines_added     INTEGER,                            -- by this instance
  lines_deleted   INTEGER,                            -- by this instance
  runtime         TEXT,                               -- claude, codex, gemini; others are kept
  model           TEXT,                               -- the model it ran with
  runtime_label   TEXT,                               -- the runtime as the editor shows it
  UNIQUE (session_id, instance_id)
);

create table chat_messages (
  id              TEXT PRIMARY KEY NOT NULL,  -- the editor's own id, where it is unique
  session_id      TEXT NOT NULL               -- sessions.id
                  REFERENCES sessions (id) ON DELETE CASCADE,
  instance_id_ref INTEGER                     -- instances.id, not the number within the session
                  REFERENCES instances (id) ON DELETE SET NULL,
  role            TEXT NOT NULL,              -- user, assistant, system; others are kept
  content         TEXT NOT NULL,              -- of any length: a whole terminal can be one message
  timestamp       TEXT NOT NULL               -- RFC 3339; messages of one time stand in rowid order
);

create index sessions_by_workspace         on sessions (workspace_path);
create index sessions_by_type              on sessions (type);
create index sessions_by_status            on sessions (status);
create index sessions_by_created           on sessions (created_at DESC);
create index sessions_by_workspace_status  on sessions (workspace_path, status);
create index sessions_by_workspace_created on sessions (workspace_path, created_at DESC);

create index instances_by_session      on instances (session_id);
create index instances_by_status       on instances (status);
create index instances_by_tmux_session on instances (tmux_session_id);

create index chat_messages_by_session   on chat_messages (session_id, timestamp);
create index chat_messages_by_timestamp on chat_messages (timestamp);
-- Without it each deleted instance reads all messages to set instance_id_ref to NULL.
create index chat_messages_by_instance  on chat_messages (instance_id_ref) where instance_id_ref is not null;

-- A deleted session takes its instances and messages along also for a writer that left foreign keys off.
create trigger sessions_after_delete after delete on sessions begin
  delete from chat_messages where session_id = old.id;
  delete from instances where session_id = old.id;
end;

-- The counts are counted again, never added to: a trigger that fires once too often does no harm.
--
-- No trigger is told of the row that OR REPLACE removes. If that row belongs to another session, a BEFORE trigger notes
-- the session here and the AFTER trigger counts it too. Where nothing was replaced after all (OR IGNORE, DO NOTHING), a
-- note stays until the next insert and costs one count. A DELETE without a WHERE would write to the empty table, too.
create table recounts (
  session_id TEXT NOT NULL  -- a session that may have lost a row to OR REPLACE
);

create trigger sessions_count_after_insert after insert on sessions begin
  update sessions
  set instance_count = (select count(*) from instances where session_id = new.id),
      message_count = (select count(*) from chat_messages where session_id = new.id)
  where id = new.id;
end;

create trigger sessions_count_after_rename after update of id on sessions when new.id is not old.id begin
  update sessions
  set instance_count = (select count(*) from instances where session_id = new.id),
      message_count = (select count(*) from chat_messages where session_id = new.id)
  where id = new.id;
end;

create trigger instances_count_before_insert before insert on instances
when exists (select 1 from instances where id = new.id and session_id is not new.session_id) begin
  insert into recounts select session_id from instances where id = new.id;
end;

create trigger instances_count_after_insert after insert on instances begin
  update sessions set instance_count = (select count(*) from instances where session_id = sessions.id)
  where id in (select new.session_id union all select session_id from recounts);
  delete from recounts where true;
end;

create trigger instances_count_before_update before update of id on instances
when new.id is not old.id and exists (select 1 from instances where id = new.id) begin
  insert into recounts select session_id from instances where id = new.id;
end;

create trigger instances_count_after_update after update of id, session_id, instance_id on instances begin
  update sessions set instance_count = (select count(*) from instances where session_id = sessions.id)
  where id in (select new.session_id union all select old.session_id union all select session_id from recounts);
  delete from recounts where true;
end;

create trigger instances_count_after_delete after delete on instances begin
  update sessions set instance_count = (select count(*) from instances where session_id = sessions.id)
  where id = old.session_id;
end;

create trigger chat_messages_count_before_insert before insert on chat_messages
when exists (select 1 from chat_messages where id = new.id and session_id is not new.session_id) begin
  insert into recounts select session_id from chat_messages where id = new.id;
end;

create trigger chat_messages_count_after_insert after insert on chat_messages begin
  update sessions set message_count = (select count(*) from chat_messages where session_id = sessions.id)
  where id in (select new.session_id union all select session_id from recounts);
  delete from recounts where true;
end;

create trigger chat_messages_count_before_update before update of id on chat_messages
when new.id is not old.id and exists (select 1 from chat_messages where id = new.id) begin
  insert into recounts select session_id from chat_messages where id = new.id;
end;

create trigger chat_messages_count_after_update after update of id, session_id on chat_messages begin
  update sessions set message_count = (select count(*) from chat_messages where session_id = sessions.id)
  where id in (select new.session_id union all select old.session_id union all select session_id from recounts);
  delete from recounts where true;
end;

create trigger chat_messages_count_after_delete after delete on chat_messages begin
  update sessions set message_count = (select count(*) from chat_messages where session_id = sessions.id)
  where id = old.session_id;
end;
