-- unrepresentable_text: a key, or the text of a field, has half of a surrogate pair: no UTF-8, and so no SQLite, holds it.
-- One row a member.
-- DuckDB. in: members, fields   out: file_no, ordinal, reason, entity, pointer, key, detail
select file_no, ordinal, entity, pointer, key, 'has half of a surrogate pair (such as \ud800)' as detail, 'unrepresentable_text' as reason
from members
left join fields using (entity, key)
where occurrence = 1 and (broken_key or (broken_value and members.kind = fields.kind))
