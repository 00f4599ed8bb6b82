-- How many elements of each file the batch holds. DuckDB. in: places   out: file_no, elements
select file_no, count(*) as elements from places group by file_no
