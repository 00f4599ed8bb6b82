-- places: where each row of the batch stands. DuckDB. in: batch   out: one row an element
select rowid as element, file_no, ordinal from batch
