-- search_sessions: a workspace's sessions in which every word occurs, in the task or in some message; the newest first.
-- SQLite. in: sessions, search_docs, sessions_fts, chat_messages, $workspace_path, $words (JSON array)
-- out: the fields of SessionRow
with words as materialized (
  select
    value as word,
    lower(value) as lowered,
    '"' || replace(value, '"', '""') || '"' as phrase
  from json_each($words)
),

-- the index ignores case in every script, but finds nothing shorter than three characters and nothing behind a NUL
indexed as materialized (
  select words.word, search_docs.session_id
  from words
  cross join sessions_fts on sessions_fts match words.phrase
  cross join search_docs on search_docs.doc = sessions_fts.rowid
)

-- cheap first: messages are read only for a word that the task does not have
select
  id, workspace_path, type, task, status, created_at, updated_at, completed_at, model,
  timeout_seconds, preserve_worktrees, winner_id, runtime_mix, total_duration, total_files_changed,
  total_lines_added, total_lines_deleted, instance_count, message_count
from sessions
where workspace_path = $workspace_path
  and not exists (
    select 1
    from words
    where not (
      (words.word, sessions.id) in (select word, session_id from indexed)
      or instr(lower(sessions.task), words.lowered) > 0
      or exists (
        select 1
        from chat_messages
        where chat_messages.session_id = sessions.id and instr(lower(chat_messages.content), words.lowered) > 0
      )
    )
  )
order by created_at desc, rowid
