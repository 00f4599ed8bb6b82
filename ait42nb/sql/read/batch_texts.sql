-- The text of each record of a batch that is in order, as bytes, in their order. DuckDB. in: batch, batch_records
select encode(document) from (select document from batch) positional join batch_records where in_order
