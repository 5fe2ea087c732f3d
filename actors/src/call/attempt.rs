//! What an attempt came to (pure).

use std::time::Duration;

use http::{HeaderMap, StatusCode};
use proto::outcome::{Reply, classify, retry_after};
use proto::record::State;
use proto::{Outcome, Timestamp, callback};

use crate::limit::{Feedback, Heard};
use crate::port::invoker::{Answer, Error};

/// What an attempt came to.
#[derive(Debug)]
pub struct Attempt {
    /// How it is read.
    pub outcome: Outcome,
    /// What the function asked for.
    pub retry_after: Option<Duration>,
    /// What this says about the function, if it was reached for.
    pub feedback: Option<Feedback>,
    /// What would go to the callback if this were the end; its state is set then.
    pub result: callback::Result,
    /// One line for people: a status, or what went wrong.
    pub detail: String,
}

impl Attempt {
    /// What came back in so much time; `codes` are tried again.
    #[must_use]
    pub fn of(answer: Result<Answer, Error>, codes: &[u16], duration: Duration, now: Timestamp) -> Self {
        match answer {
            Ok(Answer { status, headers, body, omitted }) => {
                let reply = Reply::Answered(status, &headers);
                let (outcome, retry_after) = (classify(reply, codes), retry_after(reply, now));
                Self {
                    outcome,
                    retry_after,
                    feedback: Some(Feedback { heard: heard(outcome, status), retry_after }),
                    detail: format!("status {status}"),
                    result: callback::Result { state: State::Running, status, headers, body, omitted, duration },
                }
            }
            Err(error) => {
                let heard = match &error {
                    Error::Refused(_) => Heard::Away,
                    Error::TimedOut(_) => Heard::TimedOut,
                    Error::Broken { .. } | Error::Forbidden(_) => Heard::Failed,
                };
                Self {
                    outcome: classify(error.reply(), codes),
                    retry_after: None,
                    feedback: Some(Feedback { heard, retry_after: None }),
                    detail: error.to_string(),
                    result: unanswered(error.status(), duration),
                }
            }
        }
    }

    /// When the message came, the last slot had gone to a call that had tried elsewhere first.
    #[must_use]
    pub fn crowded(duration: Duration) -> Self {
        Self {
            outcome: Outcome::Busy,
            retry_after: None,
            feedback: None,
            detail: "every endpoint was busy".into(),
            result: unanswered(StatusCode::SERVICE_UNAVAILABLE, duration),
        }
    }
}

/// What an answer says about how its function does.
fn heard(outcome: Outcome, status: StatusCode) -> Heard {
    match (outcome, status) {
        (Outcome::Succeeded | Outcome::Failed, _) => Heard::Well,
        (Outcome::Busy, _) | (_, StatusCode::TOO_MANY_REQUESTS) => Heard::Busy,
        (_, StatusCode::REQUEST_TIMEOUT | StatusCode::GATEWAY_TIMEOUT) => Heard::TimedOut,
        (Outcome::Retry, _) => Heard::Failed,
    }
}

fn unanswered(status: StatusCode, duration: Duration) -> callback::Result {
    let (headers, body) = (HeaderMap::new(), bytes::Bytes::new());
    callback::Result { state: State::Running, status, headers, body, omitted: None, duration }
}
