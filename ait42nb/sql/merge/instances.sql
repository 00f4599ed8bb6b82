-- A session's instances in which the two sides differ, side by side. SQLite. in: $session_id
-- out: instance_id; row_id (theirs, NULL: not there); then the columns that are merged, ours and theirs
select
    ours.instance_id, theirs.id as row_id,
    ours.worktree_path, ours.branch, ours.agent_name, ours.status, ours.tmux_session_id, ours.output,
    ours.start_time, ours.end_time, ours.files_changed, ours.lines_added, ours.lines_deleted,
    ours.runtime, ours.model, ours.runtime_label,
    theirs.worktree_path, theirs.branch, theirs.agent_name, theirs.status, theirs.tmux_session_id, theirs.output,
    theirs.start_time, theirs.end_time, theirs.files_changed, theirs.lines_added, theirs.lines_deleted,
    theirs.runtime, theirs.model, theirs.runtime_label
from ours.instances as ours
left join main.instances as theirs on theirs.session_id = ours.session_id and theirs.instance_id = ours.instance_id
where ours.session_id = $session_id
  and (
      ours.instance_id, ours.worktree_path, ours.branch, ours.agent_name, ours.status, ours.tmux_session_id,
      ours.output, ours.start_time, ours.end_time, ours.files_changed, ours.lines_added, ours.lines_deleted,
      ours.runtime, ours.model, ours.runtime_label
  ) is not (
      theirs.instance_id, theirs.worktree_path, theirs.branch, theirs.agent_name, theirs.status,
      theirs.tmux_session_id, theirs.output, theirs.start_time, theirs.end_time, theirs.files_changed,
      theirs.lines_added, theirs.lines_deleted, theirs.runtime, theirs.model, theirs.runtime_label
  )
order by ours.id
