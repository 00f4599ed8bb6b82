-- What several statements share. DuckDB.

-- A session whose keys are all there, once each: every value as the JSON text of itself. NULL for any other record.
-- (A typed shape would be shorter, but casts 1.5 to 2 and true to 1 without a word.)
create macro parse_session(document) as try(from_json_strict(document, '{
    "id": "JSON", "type": "JSON", "task": "JSON", "status": "JSON",
    "createdAt": "JSON", "updatedAt": "JSON", "completedAt": "JSON",
    "instances": [{
        "instanceId": "JSON", "worktreePath": "JSON", "branch": "JSON", "agentName": "JSON", "status": "JSON",
        "tmuxSessionId": "JSON", "output": "JSON", "startTime": "JSON", "endTime": "JSON",
        "filesChanged": "JSON", "linesAdded": "JSON", "linesDeleted": "JSON",
        "runtime": "JSON", "model": "JSON", "runtimeLabel": "JSON"
    }],
    "chatHistory": [{
        "id": "JSON", "role": "JSON", "content": "JSON", "timestamp": "JSON", "instanceId": "JSON"
    }],
    "model": "JSON", "timeoutSeconds": "JSON", "preserveWorktrees": "JSON", "winnerId": "JSON",
    "runtimeMix": "JSON", "totalDuration": "JSON", "totalFilesChanged": "JSON",
    "totalLinesAdded": "JSON", "totalLinesDeleted": "JSON"
}'));

create macro is_string(value) as coalesce(starts_with(value::varchar, '"'), false);

create macro is_string_or_null(value) as coalesce(starts_with(value::varchar, '"'), true);

-- An integer as the editor writes it that its reader's 32 (64) bits can hold.
create macro is_integer_or_null(value, largest) as
    value is null or (regexp_full_match(value::varchar, '0|[1-9][0-9]{0,18}') and coalesce(try_cast(value::varchar as hugeint) <= largest, false));

create macro is_boolean_or_null(value) as coalesce(value::varchar in ('true', 'false'), true);

create macro is_strings_or_null(value) as
    value is null or coalesce(len(list_filter(try_cast(value as json[]), lambda v: not is_string(v))) = 0, false);

create macro text_of(value) as value ->> '$';

create macro integer_of(value) as try_cast(value::varchar as bigint);

-- An RFC 3339 time as an instant that sorts: seconds, and the fraction as text without its closing zeros. NULL for what is none.
create macro is_rfc3339(moment) as coalesce(
    regexp_full_match(moment,
        '[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ]([01][0-9]|2[0-3]):[0-9]{2}:[0-9]{2}(\.[0-9]+)?([Zz]|[+-]([01][0-9]|2[0-3]):[0-5][0-9])')
    and try_cast(regexp_replace(moment, '^(.{10}).(.{8}).*$', '\1 \2') as timestamp) is not null, false);

create macro instant(moment) as case when is_rfc3339(moment) then {
    'seconds': epoch(cast(regexp_replace(moment, '^(.{10}).(.{8}).*$', '\1 \2') as timestamp))::bigint
        - coalesce(case when moment[-1] not in ('Z', 'z') then
            (case when moment[-6] = '-' then -60 else 60 end)
                * (60 * moment[-5:-4]::bigint + moment[-2:]::bigint) end, 0),
    'fraction': rtrim(regexp_extract(moment, '\.([0-9]+)', 1), '0')
} end;

-- A time in the one form in which two writers' times compare; text that is no time as it is.
create macro moment(value) as coalesce(instant(value).seconds || '.' || instant(value).fraction, value);

-- Enough of a value to see that it changed.
create macro fingerprint(value) as left(md5(value::varchar), 10);

-- A session read with types, by other functions than `parse_session`: what verification compares the stored values with.
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
