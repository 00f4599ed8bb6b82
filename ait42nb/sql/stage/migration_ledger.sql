-- What staging.migration_ledger is to hold. DuckDB. in: ledger
select * exclude (file_no, ordinal)
from ledger
