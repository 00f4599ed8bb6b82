-- former_sessions: the guide's rows, in their order, with the columns that they have.
-- SQLite. in: temp.former_sessions
select * from temp.former_sessions order by rowid
