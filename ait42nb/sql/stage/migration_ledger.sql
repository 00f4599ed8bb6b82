-- What staging.migration_ledger is to hold, in the order of the files. DuckDB. in: ledger
select * exclude (file_no, ordinal)
from ledger
order by file_no, ordinal
