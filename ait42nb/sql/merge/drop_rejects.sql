-- Takes away the rejects of the run before that this run did not find again. SQLite.
-- in: $read and $unread, JSON lists of source paths; $deleted, JSON list of the reject_ids of what a person deleted
--
-- Conflicts stay: they are the only copy. So does what was found in a file that cannot be read now.
delete from main.migration_rejects
where reason <> 'conflict'
  and (
      source_path in (select value from json_each($read))
      or (source_path in (select value from json_each($unread)) and reason in ('unreadable', 'unstable'))
  )
  and (source_path, pointer, entity, quote(key), reason, detail, coalesce(document, ''), coalesce(document_bytes, '')) not in (
      select source_path, pointer, entity, quote(key), reason, detail, coalesce(document, ''), coalesce(document_bytes, '')
      from ours.migration_rejects
  )
  and reject_id not in (select value from json_each($deleted))
