-- Records a file's books as the next run will find them if nothing changes; what is as it was is not written again. SQLite.
-- in: $source_path, $settled
insert into migration_settled (source_path, balance) values ($source_path, $settled)
on conflict (source_path) do update set balance = excluded.balance
where migration_settled.balance is not excluded.balance
