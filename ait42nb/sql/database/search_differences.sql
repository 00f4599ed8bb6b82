-- search_differences: counts what the search index says otherwise than the sessions.
-- SQLite. in: sessions, search_docs, sessions_fts   out: missing (sessions not found by their task), surplus (of no session)
select
  (
    select count(*)
    from sessions
    left join search_docs on search_docs.session_id = sessions.id
    left join sessions_fts on sessions_fts.rowid = search_docs.doc
    where sessions_fts.task is not sessions.task
  ) as missing,
  (
    select count(*)
    from sessions_fts
    left join search_docs on search_docs.doc = sessions_fts.rowid
    left join sessions on sessions.id = search_docs.session_id
    where sessions.id is null
  ) as surplus
