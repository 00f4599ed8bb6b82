//! The guide's rows and queries. `query_as` stands for its `query_as!`, which would need a database to compile.

use serde::Serialize;
use sqlx::{AssertSqlSafe, Error, FromRow, SqlitePool};

#[derive(FromRow, Serialize)]
pub struct SessionRow {
    pub id: String,
    pub workspace_path: String,
    pub r#type: String,
    pub task: String,
    pub status: String,
    pub created_at: String,
    pub updated_at: String,
    pub completed_at: Option<String>,
    pub model: Option<String>,
    pub timeout_seconds: Option<i32>,
    pub preserve_worktrees: i32,
    pub winner_id: Option<i32>,
    pub runtime_mix: Option<String>,
    pub total_duration: Option<i64>,
    pub total_files_changed: Option<i32>,
    pub total_lines_added: Option<i32>,
    pub total_lines_deleted: Option<i32>,
    pub instance_count: Option<i32>,
    pub message_count: Option<i32>,
}

#[derive(FromRow, Serialize)]
pub struct InstanceRow {
    pub id: i64,
    pub session_id: String,
    pub instance_id: i32,
    pub worktree_path: String,
    pub branch: String,
    pub agent_name: String,
    pub status: String,
    pub tmux_session_id: String,
    pub output: Option<String>,
    pub start_time: Option<String>,
    pub end_time: Option<String>,
    pub files_changed: Option<i32>,
    pub lines_added: Option<i32>,
    pub lines_deleted: Option<i32>,
    pub runtime: Option<String>,
    pub model: Option<String>,
    pub runtime_label: Option<String>,
}

#[derive(FromRow, Serialize)]
pub struct ChatMessageRow {
    pub id: String,
    pub session_id: String,
    pub instance_id_ref: Option<i64>,
    pub role: String,
    pub content: String,
    pub timestamp: String,
}

pub async fn insert_session(pool: &SqlitePool, session: &SessionRow) -> Result<(), Error> {
    sqlx::query(
        "insert into sessions (
            id, workspace_path, type, task, status, created_at, updated_at, completed_at, model, timeout_seconds,
            preserve_worktrees, winner_id, runtime_mix, total_duration, total_files_changed, total_lines_added,
            total_lines_deleted
        ) values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
        on conflict (id) do update set
            updated_at = excluded.updated_at, status = excluded.status, completed_at = excluded.completed_at",
    )
    .bind(&session.id)
    .bind(&session.workspace_path)
    .bind(&session.r#type)
    .bind(&session.task)
    .bind(&session.status)
    .bind(&session.created_at)
    .bind(&session.updated_at)
    .bind(&session.completed_at)
    .bind(&session.model)
    .bind(session.timeout_seconds)
    .bind(session.preserve_worktrees)
    .bind(session.winner_id)
    .bind(&session.runtime_mix)
    .bind(session.total_duration)
    .bind(session.total_files_changed)
    .bind(session.total_lines_added)
    .bind(session.total_lines_deleted)
    .execute(pool)
    .await?;
    Ok(())
}

pub async fn insert_instance(pool: &SqlitePool, instance: &InstanceRow) -> Result<(), Error> {
    sqlx::query(
        "insert into instances (
            session_id, instance_id, worktree_path, branch, agent_name, status, tmux_session_id, output, start_time,
            end_time, files_changed, lines_added, lines_deleted, runtime, model, runtime_label
        ) values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
        on conflict (session_id, instance_id) do update set
            status = excluded.status, output = excluded.output, end_time = excluded.end_time",
    )
    .bind(&instance.session_id)
    .bind(instance.instance_id)
    .bind(&instance.worktree_path)
    .bind(&instance.branch)
    .bind(&instance.agent_name)
    .bind(&instance.status)
    .bind(&instance.tmux_session_id)
    .bind(&instance.output)
    .bind(&instance.start_time)
    .bind(&instance.end_time)
    .bind(instance.files_changed)
    .bind(instance.lines_added)
    .bind(instance.lines_deleted)
    .bind(&instance.runtime)
    .bind(&instance.model)
    .bind(&instance.runtime_label)
    .execute(pool)
    .await?;
    Ok(())
}

pub async fn insert_chat_message(pool: &SqlitePool, message: &ChatMessageRow) -> Result<(), Error> {
    sqlx::query(
        "insert into chat_messages (id, session_id, instance_id_ref, role, content, timestamp)
        values (?, ?, ?, ?, ?, ?) on conflict (id) do nothing",
    )
    .bind(&message.id)
    .bind(&message.session_id)
    .bind(message.instance_id_ref)
    .bind(&message.role)
    .bind(&message.content)
    .bind(&message.timestamp)
    .execute(pool)
    .await?;
    Ok(())
}

pub async fn get_sessions_by_workspace(
    pool: &SqlitePool,
    workspace_path: &str,
) -> Result<Vec<SessionRow>, Error> {
    sqlx::query_as(
        "select
            id, workspace_path, type, task, status, created_at, updated_at, completed_at, model, timeout_seconds,
            preserve_worktrees, winner_id, runtime_mix, total_duration, total_files_changed, total_lines_added,
            total_lines_deleted, instance_count, message_count
        from sessions where workspace_path = ? order by created_at desc",
    )
    .bind(workspace_path)
    .fetch_all(pool)
    .await
}

pub async fn get_instances_by_session(
    pool: &SqlitePool,
    session_id: &str,
) -> Result<Vec<InstanceRow>, Error> {
    sqlx::query_as(
        "select
            id, session_id, instance_id, worktree_path, branch, agent_name, status, tmux_session_id, output,
            start_time, end_time, files_changed, lines_added, lines_deleted, runtime, model, runtime_label
        from instances where session_id = ? order by instance_id",
    )
    .bind(session_id)
    .fetch_all(pool)
    .await
}

pub async fn get_chat_messages_by_session(
    pool: &SqlitePool,
    session_id: &str,
) -> Result<Vec<ChatMessageRow>, Error> {
    sqlx::query_as(
        "select id, session_id, instance_id_ref, role, content, timestamp
        from chat_messages where session_id = ? order by timestamp",
    )
    .bind(session_id)
    .fetch_all(pool)
    .await
}

/// The kit's query: the guide's compares a text with a number and finds nothing. sqlx knows parameters by number only.
pub async fn search_sessions(
    pool: &SqlitePool,
    workspace_path: &str,
    query: &str,
) -> Result<Vec<SessionRow>, Error> {
    let sql = include_str!("../../../ait42nb/sql/queries/search_sessions.sql")
        .replace("$workspace_path", "?1")
        .replace("$words", "?2");
    let words: Vec<&str> = query.split_whitespace().collect();
    sqlx::query_as(AssertSqlSafe(sql))
        .bind(workspace_path)
        .bind(serde_json::json!(words).to_string())
        .fetch_all(pool)
        .await
}
