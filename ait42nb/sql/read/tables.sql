-- The tables that reading and checking fill, a batch at a time. DuckDB.

-- Every element of every source array.
create or replace table records (
    file_no integer,
    ordinal bigint,      -- its place in the array, from 0
    id varchar,          -- the id that it claims; NULL where it has no single one
    sha256 varchar,      -- of its text
    instances bigint,    -- how many it holds, for the books
    messages bigint,
    in_order boolean     -- false: held
);

-- The contents of the records that are in order. Columns as in the target's tables, times and texts as they were written.
create or replace table sessions (
    part integer,        -- the number of the part of `messages` that has its messages
    file_no integer, ordinal bigint,
    id varchar, type varchar, task varchar, status varchar,
    created_at varchar, updated_at varchar, completed_at varchar,
    model varchar, timeout_seconds bigint, preserve_worktrees bigint, winner_id bigint, runtime_mix varchar,
    total_duration bigint, total_files_changed bigint, total_lines_added bigint, total_lines_deleted bigint
);

create or replace table instances (
    file_no integer, ordinal bigint, position bigint,
    row_id bigint,       -- under which it is stored, from 1 in the order in which they are read
    instance_id bigint, worktree_path varchar, branch varchar, agent_name varchar, status varchar,
    tmux_session_id varchar, output varchar, start_time varchar, end_time varchar,
    files_changed bigint, lines_added bigint, lines_deleted bigint,
    runtime varchar, model varchar, runtime_label varchar
);

-- The first part of `messages`, which shows all parts, in the order in which they were read.
create or replace table messages_000000 (
    file_no integer, ordinal bigint, position bigint,
    id varchar,          -- the message's own id
    instance_id bigint,  -- the number that it names, whether there is such an instance or not
    instance_row bigint, -- the row of that instance
    value_hash ubigint,  -- of role, content and timestamp, which went into the staging file: they would fill the memory
    moment_hash ubigint, -- the same, of the time that the timestamp means
    print varchar,       -- what the ledger has of it
    timed boolean,       -- whether its timestamp is a time
    known_role boolean,  -- whether its role is one that the format names
    row_id bigint        -- in the staging file; NULL where it is not there
);
