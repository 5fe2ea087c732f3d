//! What OpenFaaS's API has because it runs the functions: here whoever runs them has it. `faas-cli` shows the sentence.

use http::{Method, StatusCode};
use proto::Refusal;

use super::answer::{self, Answer};

const SECRETS: &str = "secrets belong to whatever runs the function, which Fabric does not: give them to it there";
const LOGS: &str = "logs are where the function runs, which Fabric does not do: read them there; \
    GET /calls/<X-Call-Id> tells how a call is";
/// To accept it would have an autoscaler believe that it had scaled.
const SCALE: &str = "Fabric runs no replicas: scale the function where it runs, and say by fabric.concurrency or \
    fabric.slots how many calls it takes at once";

/// Whether somebody else is asked, and the answer.
pub(super) fn answer(method: &Method, path: &str) -> Option<Result<Answer, Refusal>> {
    Some(match (path, method) {
        ("/system/secrets", &Method::GET) => Ok(answer::json(StatusCode::OK, &[""; 0])),
        ("/system/secrets", &Method::POST | &Method::PUT | &Method::DELETE) => Err(Refusal::Elsewhere(SECRETS)),
        ("/system/secrets", _) => Err(Refusal::Method { allow: "GET, POST, PUT, DELETE" }),
        ("/system/logs", &Method::GET) => Err(Refusal::Elsewhere(LOGS)),
        ("/system/logs", _) => Err(Refusal::Method { allow: "GET" }),
        (path, method) if path.starts_with("/system/scale-function/") => match *method {
            Method::POST => Err(Refusal::Elsewhere(SCALE)),
            _ => Err(Refusal::Method { allow: "POST" }),
        },
        _ => return None,
    })
}
