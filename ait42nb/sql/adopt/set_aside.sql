-- set_aside: takes the guide's rows out of the way, in their order, and drops its tables.
-- SQLite; a script, run statement by statement in one transaction, foreign keys off (a drop would cascade).
-- in: sessions, instances, chat_messages   out: temp.former_sessions, temp.former_instances, temp.former_chat_messages
--
-- not indexed: an index that holds every column would be read instead, in its own order
create temp table former_sessions as select * from main.sessions not indexed;
create temp table former_instances as select * from main.instances not indexed;
create temp table former_chat_messages as select * from main.chat_messages not indexed;

drop table main.chat_messages;
drop table main.instances;
drop table main.sessions;
drop table if exists main._sqlx_migrations;
