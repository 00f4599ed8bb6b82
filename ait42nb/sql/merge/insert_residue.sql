-- Keeps something beside a row. SQLite.
insert into main.migration_residue (entity, session_id, key, document)
values ($entity, $session_id, $key, $document)
on conflict (entity, session_id, key) do update set document = excluded.document
