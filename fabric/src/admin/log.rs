//! `/admin/v1/log`: what this process logs, from now on.

use http::StatusCode;
use proto::Refusal;
use serde::{Deserialize, Serialize};

use super::registry;
use crate::audit::Audit;
use crate::gateway::answer::{self, Answer};
use crate::identity::Identity;
use crate::telemetry::Log;

#[derive(Deserialize, Serialize)]
struct Filter {
    filter: String,
}

/// What is logged.
pub(super) fn get(log: &Log) -> Answer {
    answer::json(StatusCode::OK, &Filter { filter: log.filter() })
}

/// Has something else logged, until it is changed again or the process ends.
pub(super) async fn put(log: &Log, body: &[u8], audit: &Audit, by: &Identity) -> Result<Answer, Refusal> {
    let Filter { filter } = registry::read(registry::object(body, &["filter"])?)?;
    let before = log.filter();
    log.set(&filter).map_err(|why| Refusal::Malformed(format!("filter: {why}")))?;
    audit.tell(by, "put log", &before.into(), &filter.into()).await;
    Ok(get(log))
}
