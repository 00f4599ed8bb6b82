-- Adds rows to `expected`, summed up by session. DuckDB.
-- in: the tables $sessions, $instances, $messages, which are bulk_sessions … or odd_sessions …
with hashed as (
    select 'session' as entity, session_id, 0 as place, hash(
            workspace_path, type, task, status, created_at, updated_at, completed_at, model, timeout_seconds,
            preserve_worktrees, winner_id, runtime_mix, total_duration, total_files_changed, total_lines_added,
            total_lines_deleted, instance_count, message_count
        ) as value_hash
    from query_table($sessions)

    union all
    select 'instance', session_id, position, hash(
            instance_id, worktree_path, branch, agent_name, status, tmux_session_id, output, start_time, end_time,
            files_changed, lines_added, lines_deleted, runtime, model, runtime_label
        )
    from query_table($instances)

    union all
    select 'message', session_id, position, hash(
            id, value_hash, instance_id
        )
    from query_table($messages)
)

select
    entity, session_id, count(*) as row_count, sum(value_hash) as values_sum,
    sum((value_hash >> 8)::hugeint * place) as order_sum
from hashed
group by all
