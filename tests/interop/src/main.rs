//! Plays the editor's next version before sessions.db, for test_interop.py: one command a process, JSON as its answer.

mod queries;

use queries::*;
use serde_json::{Value, json};
use sqlx::migrate::Migrator;
use sqlx::{SqlitePool, sqlite::SqlitePoolOptions};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use std::{env, io, thread};

/// The kit's, and those of an editor that does not know the kit.
static KIT: Migrator = sqlx::migrate!("../../ait42nb/migrations");
static OWN: Migrator = sqlx::migrate!("./migrations");

type Answer = Result<Value, Box<dyn std::error::Error>>;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let answer = match arguments[..] {
        ["migrate", path] => applied(&create_connection_pool(path, &KIT).await?).await?,
        ["migrate-own", path] => applied(&create_connection_pool(path, &OWN).await?).await?,
        ["read", path, workspace] => {
            read(&create_connection_pool(path, &KIT).await?, workspace).await?
        }
        ["search", path, workspace, query] => {
            json!(
                search_sessions(&create_connection_pool(path, &KIT).await?, workspace, query)
                    .await?
            )
        }
        ["write", path, workspace] => {
            write(&create_connection_pool(path, &KIT).await?, workspace).await?
        }
        ["write-own", path, workspace] => {
            write(&create_connection_pool(path, &OWN).await?, workspace).await?
        }
        _ => return Err("usage: editor migrate|read|search|write DATABASE …".into()),
    };
    println!("{answer}");
    Ok(())
}

/// As in the guide; sqlx's own timeout for a lock is 5 s.
async fn create_connection_pool(
    path: &str,
    migrations: &Migrator,
) -> Result<SqlitePool, sqlx::Error> {
    let pool = SqlitePoolOptions::new()
        .max_connections(5)
        .idle_timeout(Duration::from_secs(60))
        .connect(&format!("sqlite:{path}?mode=rwc"))
        .await?;
    migrations.run(&pool).await?;
    Ok(pool)
}

/// The migrations that the database has, by their version.
async fn applied(pool: &SqlitePool) -> Answer {
    let versions: Vec<i64> =
        sqlx::query_scalar("select version from _sqlx_migrations order by version")
            .fetch_all(pool)
            .await?;
    Ok(json!(versions))
}

/// All that the editor shows of a workspace.
async fn read(pool: &SqlitePool, workspace: &str) -> Answer {
    let mut sessions = Vec::new();
    for session in get_sessions_by_workspace(pool, workspace).await? {
        sessions.push(json!({
            "instances": get_instances_by_session(pool, &session.id).await?,
            "messages": get_chat_messages_by_session(pool, &session.id).await?,
            "session": session,
        }));
    }
    Ok(json!(sessions))
}

/// Goes on writing to a workspace's sessions until its input ends: a status, an instance and a message at a time.
/// A workspace without sessions gets one first.
async fn write(pool: &SqlitePool, workspace: &str) -> Answer {
    static ENDED: AtomicBool = AtomicBool::new(false);
    thread::spawn(|| {
        let _ = io::copy(&mut io::stdin(), &mut io::sink());
        ENDED.store(true, Ordering::Relaxed);
    });
    let mut sessions = get_sessions_by_workspace(pool, workspace).await?;
    if sessions.is_empty() {
        insert_session(pool, &new_session(workspace)).await?;
        sessions = get_sessions_by_workspace(pool, workspace).await?;
    }
    println!("{}", json!("writing"));
    let (mut rounds, mut longest) = (0, Duration::ZERO);
    // at least once
    while rounds == 0 || !ENDED.load(Ordering::Relaxed) {
        let index = rounds % sessions.len();
        let session = &mut sessions[index];
        session.status = "paused".into();
        session.updated_at = format!("2030-01-01T00:00:00.{rounds:09}+00:00");
        let began = Instant::now();
        insert_session(pool, session).await?;
        insert_instance(pool, &new_instance(&session.id, rounds)).await?;
        let instances = get_instances_by_session(pool, &session.id).await?;
        let message = ChatMessageRow {
            id: format!("editor-{rounds}"),
            session_id: session.id.clone(),
            instance_id_ref: instances.last().map(|instance| instance.id),
            role: "assistant".into(),
            content: format!("編集者 {rounds}"),
            timestamp: session.updated_at.clone(),
        };
        insert_chat_message(pool, &message).await?;
        longest = longest.max(began.elapsed());
        rounds += 1;
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    Ok(json!({"rounds": rounds, "longest_ms": longest.as_millis() as u64}))
}

fn new_session(workspace: &str) -> SessionRow {
    SessionRow {
        id: "by-the-editor".into(),
        workspace_path: workspace.into(),
        r#type: "debate".into(),
        task: "エディタで始めた".into(),
        status: "running".into(),
        created_at: "2030-01-01T00:00:00+00:00".into(),
        updated_at: "2030-01-01T00:00:00+00:00".into(),
        completed_at: None,
        model: None,
        timeout_seconds: Some(300),
        preserve_worktrees: 1,
        winner_id: None,
        runtime_mix: Some(r#"["claude"]"#.into()),
        total_duration: Some(i64::MAX),
        total_files_changed: Some(i32::MAX),
        total_lines_added: None,
        total_lines_deleted: None,
        instance_count: None,
        message_count: None,
    }
}

fn new_instance(session_id: &str, round: usize) -> InstanceRow {
    InstanceRow {
        id: 0,
        session_id: session_id.into(),
        instance_id: 1000,
        worktree_path: "/tmp/worktree-1000".into(),
        branch: "main".into(),
        agent_name: "editor".into(),
        status: "running".into(),
        tmux_session_id: "tmux-1000".into(),
        output: Some(format!("round {round}")),
        start_time: None,
        end_time: None,
        files_changed: None,
        lines_added: None,
        lines_deleted: None,
        runtime: None,
        model: None,
        runtime_label: None,
    }
}
