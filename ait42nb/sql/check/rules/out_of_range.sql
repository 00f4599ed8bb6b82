-- out_of_range: an integer is negative, or larger than its field holds. One row a value.
-- DuckDB. in: members, fields   out: file_no, ordinal, reason, entity, pointer, key, detail
select
    file_no, ordinal, entity, pointer, key,
    concat('should lie between 0 and ', largest, ', but is ', left(value, 40)) as detail, 'out_of_range' as reason
from members
join fields using (entity, key)
where occurrence = 1
  and fields.kind = 'integer'
  and (members.kind = 'negative' or (members.kind = 'integer' and (len(value) > 20 or value::hugeint > largest)))
