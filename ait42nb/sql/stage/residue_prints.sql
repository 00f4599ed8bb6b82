-- residue_prints: a fingerprint of what the columns cannot say of each session. DuckDB. in: residue
select
    file_no, ordinal,
    fingerprint(string_agg(concat_ws('|', entity, list, document, "order"::varchar) order by entity, list, document)) as print
from residue
group by all
