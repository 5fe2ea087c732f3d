//! `/admin/v1/processes`: the trees of all processes, as each tells of its own.

use std::time::Duration;

use actors::port::survey::Question;
use actors::view;
use http::StatusCode;
use proto::Refusal;
use serde::Serialize;

use crate::gateway::Ports;
use crate::gateway::answer::{self, Answer};
use crate::gateway::refusal::refusal;

/// How long the processes have to answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(1);

#[derive(Serialize)]
struct Processes {
    /// How many are alive, as far as is known here.
    alive: usize,
    /// Those that have answered, by id.
    processes: Vec<view::Process>,
}

/// Everybody who answers; of a process with very many subscribers, those that have the most to do.
pub(super) async fn list(ports: &Ports) -> Result<Answer, Refusal> {
    let alive = ports.membership.borrow().iter().count();
    let asked = ports.survey.ask(&Question { lane: None }, alive, ANSWER_WITHIN).await;
    let mut processes = asked.map_err(|error| refusal(error, 0))?;
    processes.sort_by(|a, b| a.id.cmp(&b.id));
    Ok(answer::json(StatusCode::OK, &Processes { alive, processes }))
}
