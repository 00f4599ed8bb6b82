-- What several statements share. DuckDB.

-- A session read with types. Not strict: see read/batch.sql.
create macro typed_session(document) as from_json(document, '{
    "id": "VARCHAR", "type": "VARCHAR", "task": "VARCHAR", "status": "VARCHAR",
    "createdAt": "VARCHAR", "updatedAt": "VARCHAR", "completedAt": "VARCHAR",
    "instances": [{
        "instanceId": "BIGINT", "worktreePath": "VARCHAR", "branch": "VARCHAR", "agentName": "VARCHAR",
        "status": "VARCHAR", "tmuxSessionId": "VARCHAR", "output": "VARCHAR", "startTime": "VARCHAR",
        "endTime": "VARCHAR", "filesChanged": "BIGINT", "linesAdded": "BIGINT", "linesDeleted": "BIGINT",
        "runtime": "VARCHAR", "model": "VARCHAR", "runtimeLabel": "VARCHAR"
    }],
    "chatHistory": [{
        "id": "VARCHAR", "role": "VARCHAR", "content": "VARCHAR", "timestamp": "VARCHAR", "instanceId": "BIGINT"
    }],
    "model": "VARCHAR", "timeoutSeconds": "BIGINT", "preserveWorktrees": "BOOLEAN", "winnerId": "BIGINT",
    "runtimeMix": ["VARCHAR"], "totalDuration": "BIGINT", "totalFilesChanged": "BIGINT",
    "totalLinesAdded": "BIGINT", "totalLinesDeleted": "BIGINT"
}');

-- NULL, or an integer that the editor may write and that its reader's 32 bits can hold.
create macro is_read_whole(value) as coalesce(value between 0 and 2147483647, true);

create macro text_of(value) as value ->> '$';

-- A time as JavaScript writes it; nearly all are. (The other ways to look at one take four times as long.)
create macro is_plain_time(moment) as regexp_full_match(moment,
    '20[0-9]{2}-[0-9]{2}-[0-9]{2}T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]\.[0-9]{3}Z');

-- An RFC 3339 time as an instant that sorts: seconds, and the fraction as text without its closing zeros. NULL for what is none.
create macro is_rfc3339(moment) as case when is_plain_time(moment) then try_cast(moment as timestamp) is not null
else coalesce(
    regexp_full_match(moment,
        '[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ]([01][0-9]|2[0-3]):[0-9]{2}:[0-9]{2}(\.[0-9]+)?([Zz]|[+-]([01][0-9]|2[0-3]):[0-5][0-9])')
    and try_cast(moment[1:10] || ' ' || moment[12:19] as timestamp) is not null, false) end;

create macro instant(moment) as case when is_rfc3339(moment) then {
    'seconds': epoch(cast(moment[1:10] || ' ' || moment[12:19] as timestamp))::bigint
        - case when moment[-1] in ('Z', 'z') then 0 else
            if(moment[-6] = '-', -60, 60) * (60 * moment[-5:-4]::bigint + moment[-2:]::bigint) end,
    'fraction': if(moment[20] = '.', rtrim(moment[21:if(moment[-1] in ('Z', 'z'), -2, -7)], '0'), '')
} end;

-- A time in the one form in which two writers' times compare: as JavaScript writes it, if it is one of this century, with
-- as many digits as it needs. Text that is no time as it is. (The lambda is there to name the instant, which macros cannot.)
create macro moment(value) as case when is_plain_time(value) then value else coalesce(
    list_transform([instant(value)], lambda i: case when i.seconds between 946684800 and 4102444799
        then strftime(make_timestamp(i.seconds * 1000000), '%Y-%m-%dT%H:%M:%S') || '.'
            || if(strlen(i.fraction) < 3, rpad(i.fraction, 3, '0'), i.fraction) || 'Z'
        else i.seconds || '.' || i.fraction
    end)[1], value) end;

-- What a message says, to be compared within one run. (Of several with other times for it DuckDB hashes the content once.)
create macro message_hash(author, said, told) as hash(author, hash(said), told);

-- Enough of a value to see that it changed.
create macro fingerprint(value) as left(md5(value::varchar), 10);
