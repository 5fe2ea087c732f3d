//! How the admin API says no: problem details, as RFC 9457 has them.

use http::{HeaderValue, StatusCode, header};
use proto::Refusal;
use proto::fault::Fault;
use serde::Serialize;

use crate::gateway::answer::{self, Answer};

/// What each `type` begins with; the word for programs comes after it.
const TYPE: &str = "urn:fabric:problem:";

/// A request that was not done.
#[derive(Debug)]
pub(super) enum Problem {
    /// As any part of a gateway says no.
    Refused(Refusal),
    /// The path takes these methods only.
    Method(String),
}

impl<E: Into<Refusal>> From<E> for Problem {
    fn from(error: E) -> Self {
        Self::Refused(error.into())
    }
}

#[derive(Serialize)]
struct Details<'a> {
    r#type: String,
    title: String,
    status: u16,
    detail: String,
    instance: &'a str,
    /// What is wrong with the body, field by field.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    errors: &'a [Fault],
    /// Which revision is there, where another was expected.
    #[serde(skip_serializing_if = "Option::is_none")]
    revision: Option<u64>,
}

impl Problem {
    /// The answer to a request for `path`.
    pub(super) fn answer(&self, path: &str) -> Answer {
        match self {
            Self::Method(allow) => {
                let detail = format!("this path takes {allow} only");
                let mut answer =
                    details(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", detail, path, (&[], None));
                answer.headers_mut().extend(HeaderValue::from_str(allow).ok().map(|allow| (header::ALLOW, allow)));
                answer
            }
            Self::Refused(refusal) => {
                let (errors, revision): (&[Fault], _) = match refusal {
                    Refusal::Spec(faults) => (faults.all(), None),
                    Refusal::Changed { present, .. } => (&[], *present),
                    _ => (&[], None),
                };
                let (status, code, detail) = (refusal.status(), refusal.code(), refusal.to_string());
                let mut answer = details(status, code, detail, path, (errors, revision));
                let challenge = answer::challenge(refusal);
                answer.headers_mut().extend(challenge.map(|challenge| (header::WWW_AUTHENTICATE, challenge)));
                answer.headers_mut().extend(answer::retry_after(refusal).map(|after| (header::RETRY_AFTER, after)));
                answer
            }
        }
    }
}

fn details(
    status: StatusCode,
    code: &str,
    detail: String,
    instance: &str,
    (errors, revision): (&[Fault], Option<u64>),
) -> Answer {
    let mut title = code.replace('_', " ");
    if let Some(first) = title.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    let (r#type, code) = (format!("{TYPE}{code}"), status.as_u16());
    let details = Details { r#type, title, status: code, detail, instance, errors, revision };
    let mut answer = answer::json(status, &details);
    answer.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    answer
}
