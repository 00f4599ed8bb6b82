-- Everything that is not in the main tables, in the order of the files, and where the session of its id is that is.
-- SQLite. in: migration_rejects, migration_ledger, sessions
-- out: source_path, pointer, entity, key, reason, detail (JSON), instances, messages, stored
select
    reject.source_path, reject.pointer, entity, key, reason, detail, instances, messages,
    ledger.source_path || ' ' || ledger.pointer as stored
from migration_rejects as reject
left join sessions on entity = 'session' and sessions.id = key
left join migration_ledger as ledger on ledger.session_id = sessions.id
order by reject_id
