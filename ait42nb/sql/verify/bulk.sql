-- bulk: the accepted records that were read in bulk; the others are compared by other means. DuckDB. in: accepted, odd
select * from accepted anti join odd using (file_no, ordinal)
