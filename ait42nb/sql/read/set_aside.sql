-- Writes the records of a batch that must be looked at one by one, whole, to a file of one JSON object a line.
-- DuckDB. in: batch, batch_records, $path
copy (
    select file_no, ordinal, document
    from (select document from batch)
    positional join batch_records
    where not in_order
    order by file_no, ordinal
) to $path (format json)
