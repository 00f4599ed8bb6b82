-- Forgets the writes that this run has compared with JSON, and its own. SQLite.
-- in: $seen, the last one that was there when it began; $own, JSON list of touch_ids; $read, JSON list of source paths
--
-- What belongs to a file that this run did not read waits for one that does.
delete from main.migration_touched
where touch_id in (select value from json_each($own))
   or (
       touch_id <= $seen
       and not exists (
           select 1 from main.migration_ledger as ledger
           where ledger.session_id = migration_touched.session_id
             and ledger.source_path not in (select value from json_each($read))
       )
   )
