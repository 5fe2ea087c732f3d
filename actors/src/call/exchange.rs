//! One attempt: the request as the function or the receiver gets it.

use std::time::Duration;

use http::HeaderValue;
use proto::header::{X_ATTEMPT, X_CALL_ID, X_START_TIME};
use proto::outcome::{Reply, classify};
use proto::record::Keep;
use proto::{Call, CallId, FunctionSpec, Outcome, Target, callback};
use tokio::time::Instant;
use url::Url;

use super::Desk;
use super::attempt::Attempt;
use super::given::Given;
use super::trace::Trace;
use crate::limit::endpoint::Said;
use crate::limit::endpoints::{Endpoints, Slot};
use crate::port::invoker::{Answer, Destination, Error, Invocation};

/// What is left of a message for its headers when a result is put into it.
const ROOM_FOR_HEADERS: usize = 64 * 1024;

/// Where a call of a function goes.
pub struct Way<'a> {
    /// The function's endpoints.
    pub endpoints: &'a Endpoints,
    /// The slot at the one that was chosen.
    pub slot: Option<Slot>,
    /// How long it rather waits for a connection that others use than have one made.
    pub patience: Duration,
}

/// How many endpoints are tried at most before a call goes back: the others are as likely to be busy.
const ENDPOINTS_MAX: usize = 3;

impl Desk {
    /// Tries the call once; a function, by `way`.
    pub async fn attempt(&self, call: &Call, given: &Given, way: Way<'_>, trace: &mut Trace<'_>) -> Attempt {
        let (started, codes) = (Instant::now(), &*given.policy.codes);
        let answer = match (&call.target, &given.spec) {
            (Target::Url(url), _) => Some(self.deliver(call, url, codes, trace).await),
            (Target::Function, Some(spec)) => self.invoke(call, spec, codes, way, trace).await,
            (Target::Function, None) => Some(Err(Error::Refused("a function that is not registered".into()))),
        };
        let Some(answer) = answer else { return Attempt::crowded(started.elapsed()) };
        Attempt::of(answer, codes, started.elapsed(), self.clock.now())
    }

    /// Asks one endpoint, and others at once where one is busy or away. Nothing if no endpoint had a slot.
    async fn invoke(
        &self,
        call: &Call,
        spec: &FunctionSpec,
        codes: &[u16],
        Way { endpoints, slot: mut next, mut patience }: Way<'_>,
        trace: &mut Trace<'_>,
    ) -> Option<Result<Answer, Error>> {
        let keep = self.wanted(call, spec.keep);
        let (mut tried, mut last) = (Vec::new(), None);
        while let Some(slot) = next {
            let url = request_url(&slot.endpoint.url, &call.request.path, call.request.query.as_deref());
            let destination = Destination::Function { url, host: slot.endpoint.host.clone() };
            let mut headers = call.request.headers.clone();
            headers.insert(X_CALL_ID, text(&call.id));
            headers.insert(X_ATTEMPT, call.next_attempt().into());
            headers.insert(X_START_TIME, call.accepted_at.unix_nanos().into());
            let sent = trace.send(&mut headers);
            let (method, body, timeout) = (call.request.method.clone(), call.request.body.clone(), spec.timeout);
            // Most of its time it is to have for its answer, and not to wait anew wherever it is turned away.
            let patience = std::mem::take(&mut patience).min(timeout / 8);
            let invocation = Invocation { destination, method, headers, body, timeout, patience, keep };
            let answer = self.invoker.invoke(invocation).await;
            trace.answered(sent, call, slot.endpoint.url.as_str(), codes, &answer);
            let said = said(&answer, codes);
            last = Some(answer);
            let is_elsewhere_better = matches!(said, Said::Busy | Said::Refused);
            if is_elsewhere_better {
                tried.push(slot.endpoint.url.clone());
            }
            slot.finish(said);
            let elsewhere = is_elsewhere_better && tried.len() < ENDPOINTS_MAX;
            next = if elsewhere { endpoints.take(&tried) } else { None };
        }
        last
    }

    /// How much of an answer is wanted, by the callback or the record.
    fn wanted(&self, call: &Call, keep: Keep) -> Option<usize> {
        let room = self.broker.payload_len_max().saturating_sub(ROOM_FOR_HEADERS);
        let for_callback = call.callback.is_some().then(|| self.callbacks.result_len_max.min(room));
        let for_record = match keep {
            Keep::Result(max) if self.recorder.is_on() => Some(usize::try_from(max).unwrap_or(usize::MAX).min(room)),
            Keep::Result(_) | Keep::Status | Keep::Nothing => None,
        };
        for_callback.max(for_record)
    }

    async fn deliver(&self, call: &Call, to: &str, codes: &[u16], trace: &mut Trace<'_>) -> Result<Answer, Error> {
        let url = Url::parse(to).map_err(|error| Error::Forbidden(format!("callback URL: {error}")))?;
        let namespace = self.directory.borrow().namespace(call.function.namespace()).cloned();
        let mut headers = call.request.headers.clone();
        if let Some(namespace) = namespace.as_deref().filter(|it| !it.secrets.is_empty()) {
            callback::sign(call, &mut headers, &namespace.secrets, self.clock.now());
        }
        let only = namespace.and_then(|it| it.callback_hosts.clone());
        let sent = trace.send(&mut headers);
        let (method, body) = (call.request.method.clone(), call.request.body.clone());
        let (destination, timeout) = (Destination::Callback { url, only }, self.callbacks.timeout);
        let invocation =
            Invocation { destination, method, headers, body, timeout, patience: Duration::ZERO, keep: None };
        let answer = self.invoker.invoke(invocation).await;
        trace.answered(sent, call, to, codes, &answer);
        answer
    }
}

/// What an exchange says about its endpoint.
fn said(answer: &Result<Answer, Error>, codes: &[u16]) -> Said {
    match answer {
        Ok(Answer { status, headers, .. }) => match classify(Reply::Answered(*status, headers), codes) {
            Outcome::Busy => Said::Busy,
            Outcome::Succeeded | Outcome::Retry | Outcome::Failed => Said::Answered,
        },
        Err(Error::Refused(_)) => Said::Refused,
        Err(Error::Broken { .. }) => Said::Broken,
        // Slow is not dead, and a URL that cannot be requested is nobody's fault but its own.
        Err(Error::TimedOut(_) | Error::Forbidden(_)) => Said::Answered,
    }
}

/// The upstream's URL with the call's path below its own, and the call's query.
fn request_url(upstream: &Url, path: &str, query: Option<&str>) -> Url {
    let mut url = upstream.clone();
    if !path.is_empty() {
        let base = upstream.path().trim_end_matches('/');
        url.set_path(&format!("{base}{path}"));
    }
    if query.is_some() {
        url.set_query(query);
    }
    url
}

/// Ids are always visible ASCII, and so always header values.
fn text(id: &CallId) -> HeaderValue {
    HeaderValue::from_str(id.as_str()).unwrap_or_else(|_| HeaderValue::from_static(""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_path_goes_below_the_upstreams_own() {
        let url = |upstream: &str, path, query| request_url(&Url::parse(upstream).unwrap(), path, query).to_string();
        assert_eq!(url("http://f:1", "", None), "http://f:1/");
        assert_eq!(url("http://f:1/base/", "/a%2Fb", Some("q=1&r")), "http://f:1/base/a%2Fb?q=1&r");
        assert_eq!(url("http://f:1/base", "/", None), "http://f:1/base/");
        assert_eq!(url("http://f:1/base?keep=1", "", None), "http://f:1/base?keep=1");
    }
}
