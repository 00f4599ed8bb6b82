-- fill_search: makes the search index anew from the sessions.
-- SQLite; a script, run statement by statement in one transaction. in: sessions   out: search_docs, sessions_fts
delete from search_docs;
delete from sessions_fts;

insert into search_docs (session_id) select id from sessions order by rowid;

-- cross join: in the order of doc, which is the order FTS5 likes to be filled in
insert into sessions_fts (rowid, task)
select doc, task
from search_docs cross join sessions on sessions.id = search_docs.session_id
order by doc;

-- merged now, or some later insert of the editor's pays for it
insert into sessions_fts (sessions_fts) values ('optimize');
