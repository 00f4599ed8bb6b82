-- Writes the records of a batch that must be looked at one by one, whole, to a file of one JSON object a line.
-- DuckDB. in: batch, places, batch_records, $path
copy (
    select file_no, ordinal, document
    from batch
    join places on places.element = batch.rowid
    join batch_records using (file_no, ordinal)
    where not in_order
    order by file_no, ordinal
) to $path (format json)
