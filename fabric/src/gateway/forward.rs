//! `/function/…`: the request streamed to the function, its answer streamed back.

use std::error::Error as _;
use std::sync::Arc;

use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, Uri, Version, header};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::{self, Client};
use proto::header::{X_CALL_ID, X_START_TIME, drop_hop_by_hop};
use proto::{CallId, Function, FunctionSpec, Refusal};
use tokio::time::timeout;
use url::Url;
use uuid::Uuid;

use super::Gateway;
use super::answer::Answer;
use super::rotation::Rotation;
use super::route::OwnedTarget;
use super::trace::Trace;
use crate::http_client;
use crate::identity::Identity;
use crate::listener::Peer;

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");

/// The largest status that is one (RFC 9110, 15).
const STATUS_MAX: u16 = 599;

/// The client for synchronous calls: bodies pass through it, they are not kept.
#[derive(Clone)]
pub struct Forward {
    client: Client<HttpsConnector<HttpConnector>, Incoming>,
    rotation: Arc<Rotation>,
}

impl Forward {
    pub(super) fn new() -> Self {
        Self { client: http_client::streaming(), rotation: Arc::default() }
    }
}

impl Gateway {
    /// Passes a request through. A caller that goes away drops this future, and with it the request to the function.
    pub(super) async fn forward(
        &self,
        target: OwnedTarget,
        request: Request<Incoming>,
        by: &Identity,
    ) -> Result<Answer, Refusal> {
        let (mut head, body) = request.into_parts();
        let trace = Trace::begin(&self.ports.tracing, &*self.ports.clock, &mut head, "/function/{name}");
        let answer = self.pass(target, head, body, by, &trace).await;
        trace.answered(answer.as_ref().map_or_else(Refusal::status, Answer::status));
        answer
    }

    async fn pass(
        &self,
        target: OwnedTarget,
        mut head: Parts,
        body: Incoming,
        by: &Identity,
        trace: &Trace<'_>,
    ) -> Result<Answer, Refusal> {
        let spec = self.function(&target.name, by)?;
        head.uri = upstream(&spec, self.forward.rotation.next(&spec), &target.path, head.uri.query())?;
        // Each connection speaks its own version: what the caller's is says nothing of the function's.
        head.version = Version::HTTP_11;
        let peer = head.extensions.get::<Peer>().copied();
        let ours = self.mark(&mut head.headers, peer);

        let sending = trace.sending();
        let to = sending.map(|_| head.uri.to_string()).unwrap_or_default();
        let forwarding = self.ports.meter.forward(&spec.lane());
        let sent = self.forward.client.request(Request::from_parts(head, body));
        let answer = match timeout(spec.timeout, sent).await {
            Ok(Ok(answer)) => passable(&spec.function, answer),
            Ok(Err(error)) => Err(failure(&spec.function, &error)),
            Err(_) => Err(Refusal::TimedOut(spec.function.clone(), spec.timeout)),
        };
        let told = answer.as_ref().map(Response::status).map_err(|refusal| match refusal {
            Refusal::TimedOut(..) => "timeout",
            refusal => refusal.code(),
        });
        trace.forwarded(sending, &to, told);
        match &answer {
            // What its caller sent is no answer of the function's.
            Err(Refusal::Malformed(_)) => drop(forwarding),
            Err(refusal) => forwarding.finish(refusal.status().as_u16()),
            Ok(answer) => forwarding.finish(answer.status().as_u16()),
        }
        let (mut head, body) = answer?.into_parts();
        head.version = Version::HTTP_11;
        drop_hop_by_hop(&mut head.headers);
        head.headers.extend(ours);
        Ok(Answer::from_parts(head, body.boxed_unsync()))
    }

    /// The headers as the function gets them; those of them that the caller is told too.
    fn mark(&self, headers: &mut HeaderMap, peer: Option<Peer>) -> HeaderMap {
        drop_hop_by_hop(headers);
        headers.remove(header::EXPECT);
        if let Some(host) = headers.remove(header::HOST) {
            headers.insert(X_FORWARDED_HOST, host);
        }
        if !headers.contains_key(X_CALL_ID) {
            let id = CallId::from(Uuid::now_v7());
            headers.extend(HeaderValue::from_str(id.as_str()).ok().map(|id| (X_CALL_ID, id)));
        }
        headers.insert(X_START_TIME, HeaderValue::from(self.ports.clock.now().unix_nanos()));
        if let Some(Peer(address)) = peer {
            let before = headers.get(X_FORWARDED_FOR).and_then(|list| list.to_str().ok());
            let list = before.map_or_else(|| address.to_string(), |list| format!("{list}, {address}"));
            headers.extend(HeaderValue::try_from(list).ok().map(|list| (X_FORWARDED_FOR, list)));
        }
        let told = [X_CALL_ID, X_START_TIME].into_iter();
        told.filter_map(|name| Some((name.clone(), headers.get(name)?.clone()))).collect()
    }
}

/// An answer that means to whoever gets it what it means here, and ends where it ends here.
fn passable(function: &Function, answer: Response<Incoming>) -> Result<Response<Incoming>, Refusal> {
    let (status, headers) = (answer.status(), answer.headers());
    let bad = |why: String| Err(Refusal::BadAnswer(function.clone(), why));
    if status.is_informational() {
        return bad(format!("its status is {}, and protocols are not switched here", status.as_u16()));
    }
    if status.as_u16() > STATUS_MAX {
        return bad(format!("its status is {}, which no status is", status.as_u16()));
    }
    if headers.contains_key(header::TRANSFER_ENCODING) && headers.contains_key(header::CONTENT_LENGTH) {
        return bad("its length is said twice, by Content-Length and by Transfer-Encoding".into());
    }
    Ok(answer)
}

/// Why there is no answer: what the caller sent could not be read to its end, or the function could not be reached.
fn failure(function: &Function, error: &legacy::Error) -> Refusal {
    let sent = error.source().and_then(|it| it.downcast_ref::<hyper::Error>()).filter(|it| it.is_user());
    if let Some(why) = sent.and_then(|it| it.source()?.downcast_ref::<hyper::Error>()) {
        return Refusal::Malformed(format!("the body could not be read: {why}"));
    }
    let cause = error.source().map_or_else(|| error.to_string(), ToString::to_string);
    Refusal::Unreachable(function.clone(), cause)
}

/// The upstream's address with the call's path below its own.
fn upstream(spec: &FunctionSpec, base: Option<&Url>, path: &str, query: Option<&str>) -> Result<Uri, Refusal> {
    let base = base.ok_or_else(|| Refusal::Unreachable(spec.function.clone(), "it has no upstream".into()))?;
    let path =
        if path.is_empty() { base.path().into() } else { format!("{}{path}", base.path().trim_end_matches('/')) };
    let query = query.or(base.query()).map(|query| format!("?{query}")).unwrap_or_default();
    let uri = format!("{}://{}{path}{query}", base.scheme(), base.authority());
    uri.parse().map_err(|error| Refusal::Malformed(format!("the path cannot be passed on: {error}")))
}
