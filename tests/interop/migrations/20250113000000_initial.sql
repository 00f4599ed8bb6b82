-- What the editor might have made before it knew of ait42nb: narrower, and with a search index that follows the rowid.
create table sessions (
    id text primary key not null,
    workspace_path text not null,
    type text not null check (type in ('competition', 'ensemble', 'debate')),
    task text not null,
    status text not null check (status in ('running', 'completed', 'failed', 'paused')),
    created_at text not null,
    updated_at text not null,
    completed_at text,
    model text,
    timeout_seconds integer,
    preserve_worktrees integer default 0,
    winner_id integer,
    runtime_mix text,
    total_duration integer,
    total_files_changed integer,
    total_lines_added integer,
    total_lines_deleted integer,
    instance_count integer default 0,
    message_count integer default 0
);

create table instances (
    id integer primary key autoincrement,
    session_id text not null references sessions (id) on delete cascade,
    instance_id integer not null,
    worktree_path text not null,
    branch text not null,
    agent_name text not null,
    status text not null check (status in ('running', 'completed', 'failed', 'timeout')),
    tmux_session_id text not null,
    output text,
    start_time text,
    end_time text,
    files_changed integer,
    lines_added integer,
    lines_deleted integer,
    runtime text,
    model text,
    runtime_label text,
    unique (session_id, instance_id)
);

create table chat_messages (
    id text primary key not null,
    session_id text not null references sessions (id) on delete cascade,
    instance_id_ref integer references instances (id) on delete set null,
    role text not null check (role in ('user', 'assistant', 'system')),
    content text not null check (length(content) <= 10000),
    timestamp text not null
);

create trigger message_count_insert after insert on chat_messages begin
    update sessions set message_count = message_count + 1 where id = new.session_id;
end;

-- an option that SQLite knows from 3.43 on: what an older one in Python cannot even drop
create virtual table sessions_fts using fts5 (task, content = '', contentless_delete = 1);

create trigger sessions_fts_insert after insert on sessions begin
    insert into sessions_fts (rowid, task) values (new.rowid, new.task);
end;
