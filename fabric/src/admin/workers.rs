//! `/admin/v1/workers`: the processes that are alive.

use actors::membership::{Member, Membership};
use http::StatusCode;
use proto::Refusal;
use serde::Serialize;

use super::query::{List, Query};
use crate::gateway::answer::{self, Answer};

#[derive(Serialize)]
struct Worker<'a> {
    id: &'a str,
    #[serde(flatten)]
    member: &'a Member,
}

/// Everybody whose signs of life are heard here, this process included.
pub(super) fn list(membership: &Membership, query: &str) -> Result<Answer, Refusal> {
    let query = Query::read(query, &["limit", "cursor"])?;
    let workers = membership.iter().map(|(id, member)| Worker { id, member });
    Ok(answer::json(StatusCode::OK, &List::of_names(workers, &query.page()?, |worker| worker.id.to_owned())))
}
