-- Full-text search over the sessions' tasks.
-- SQLite (3.34 or newer) with FTS5, run by ait42nb or by sqlx as it stands.
--
-- trigram finds every text of three characters or more, inside words and in Japanese too; what is shorter is searched
-- by scanning. Messages are scanned as well: their index would multiply the load by ten and the file by three.

-- FTS5 knows its rows by number. A session's rowid is no such number: OR REPLACE gives a new one, and so can dump and
-- restore. This table hands out numbers that stay.
create table search_docs (
  doc        INTEGER PRIMARY KEY,  -- sessions_fts.rowid
  session_id TEXT NOT NULL UNIQUE  -- sessions.id; deliberately no foreign key, the triggers alone keep this table
);

create virtual table sessions_fts using fts5 (
  task,  -- sessions.task
  tokenize = 'trigram'
);

-- Each trigger deletes before it inserts and asks before it hands out a number, because a writer's OR REPLACE or
-- OR IGNORE reaches into triggers and would take the place of their own conflict clauses.
create trigger sessions_search_after_insert after insert on sessions begin
  insert into search_docs (session_id)
    select new.id where not exists (select 1 from search_docs where session_id = new.id);
  delete from sessions_fts where rowid = (select doc from search_docs where session_id = new.id);
  insert into sessions_fts (rowid, task) select doc, new.task from search_docs where session_id = new.id;
end;

create trigger sessions_search_after_update after update of id, task on sessions
when new.id is not old.id or new.task is not old.task begin
  delete from sessions_fts where rowid in (select doc from search_docs where session_id in (old.id, new.id));
  delete from search_docs where session_id = old.id and new.id is not old.id;
  insert into search_docs (session_id)
    select new.id where not exists (select 1 from search_docs where session_id = new.id);
  insert into sessions_fts (rowid, task) select doc, new.task from search_docs where session_id = new.id;
end;

create trigger sessions_search_after_delete after delete on sessions begin
  delete from sessions_fts where rowid = (select doc from search_docs where session_id = old.id);
  delete from search_docs where session_id = old.id;
end;
