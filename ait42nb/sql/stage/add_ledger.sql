-- Adds the sessions of one part to `ledger`: JSON as this run saw it. DuckDB.
-- in: ledger_heads, repeated_ids; $part, and $messages, the part of messages of that number; $run_id
--
-- base: {"session": [a fingerprint a column], "instances": {number: [a fingerprint a column]}, "messages": {own id:
-- [a fingerprint a message of that id]}, "residue": a fingerprint of all of it}. Columns in the order of the target's
-- tables, NULL for NULL. `merge` computes the same fingerprints of what is stored.
with message_prints as (
    select file_no, ordinal, string_agg(concat(to_json(id), ':', prints), ',' order by first) as prints
    from (
        select file_no, ordinal, id, position as first, concat('["', print, '"]') as prints
        from query_table($messages)
        anti join repeated_ids on id_hash = hash(id)

        -- Only of these there may be several in one session.
        union all
        select file_no, ordinal, id, min(position), to_json(list_sort(list(print)))
        from query_table($messages)
        semi join repeated_ids on id_hash = hash(id)
        group by all
    )
    group by all
)

select
    file_no, ordinal, session_id, source_path, pointer, document_sha256, concat(head, prints, tail) as base, $run_id as run_id
from ledger_heads
left join message_prints using (file_no, ordinal)
where part = $part
order by file_no, ordinal
