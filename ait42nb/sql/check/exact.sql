-- Tells of each record of the batch whether it holds nothing else, as in read/batch.sql. DuckDB. in: batch
--
-- In two steps, so that the largest record is not there in every form at once.
update batch set written_md5 = md5(try(to_json(record)::varchar));

update batch set exact = written_md5 = md5(try(json(document)::varchar));
