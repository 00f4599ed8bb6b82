-- wrong_type: a value is of another kind than its field. An integer has digits only: 1.0, 1e0 and -0 are none. One row a value.
-- DuckDB. in: members, fields   out: file_no, ordinal, reason, entity, pointer, key, detail
select file_no, ordinal, entity, pointer, key, 'wrong_type' as reason,
    replace(concat('should be ', fields.kind, ', but is ', members.kind), 'strings', 'list of strings') as detail
from members
join fields using (entity, key)
where occurrence = 1
  and members.kind <> 'null'
  and not case fields.kind
      when 'integer' then members.kind in ('integer', 'negative')
      when 'list' then members.kind in ('list', 'strings')
      else members.kind = fields.kind
  end
