-- Takes away the rejects of the run before that this run did not find again. SQLite.
-- in: $read and $unread, JSON lists of source paths; $deleted, JSON list of [source_path, pointer, entity, key]
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
  and not (
      reason = 'deleted_in_database'
      and json_array(source_path, pointer, entity, key) in (select json(value) from json_each($deleted))
  )
