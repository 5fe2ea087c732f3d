//! `/function/…`: the request streamed to the function, its answer streamed back.

use std::error::Error as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use http::{HeaderMap, HeaderName, HeaderValue, Request, Uri, header};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use proto::header::{X_CALL_ID, X_START_TIME, drop_hop_by_hop};
use proto::{CallId, FunctionSpec, Refusal};
use tokio::time::timeout;
use uuid::Uuid;

use super::Gateway;
use super::answer::Answer;
use super::route::OwnedTarget;
use crate::http_client;

const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");

/// The client for synchronous calls: bodies pass through it, they are not kept.
#[derive(Clone)]
pub struct Forward {
    client: Client<HttpsConnector<HttpConnector>, Incoming>,
    rotation: Arc<AtomicUsize>,
}

impl Forward {
    pub(super) fn new() -> Self {
        Self { client: http_client::streaming(), rotation: Arc::default() }
    }
}

impl Gateway {
    /// Passes a request through. A caller that goes away drops this future, and with it the request to the function.
    pub(super) async fn forward(&self, target: OwnedTarget, request: Request<Incoming>) -> Result<Answer, Refusal> {
        let spec = self.function(&target.name)?;
        let (mut head, body) = request.into_parts();
        let turn = self.forward.rotation.fetch_add(1, Ordering::Relaxed);
        head.uri = upstream(&spec, turn, &target.path, head.uri.query())?;
        self.mark(&mut head.headers);

        let sent = self.forward.client.request(Request::from_parts(head, body));
        let answer = match timeout(spec.timeout, sent).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(error)) => {
                let cause = error.source().map_or_else(|| error.to_string(), ToString::to_string);
                return Err(Refusal::Unreachable(spec.function.clone(), cause));
            }
            Err(_) => return Err(Refusal::TimedOut(spec.function.clone(), spec.timeout)),
        };
        let (mut head, body) = answer.into_parts();
        drop_hop_by_hop(&mut head.headers);
        Ok(Answer::from_parts(head, body.boxed()))
    }

    /// The headers as the function gets them.
    fn mark(&self, headers: &mut HeaderMap) {
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
    }
}

/// The upstream whose turn it is, with the call's path below its own.
fn upstream(spec: &FunctionSpec, turn: usize, path: &str, query: Option<&str>) -> Result<Uri, Refusal> {
    let base = spec.upstreams.get(turn % spec.upstreams.len().max(1));
    let base = base.ok_or_else(|| Refusal::Unreachable(spec.function.clone(), "it has no upstream".into()))?;
    let path =
        if path.is_empty() { base.path().into() } else { format!("{}{path}", base.path().trim_end_matches('/')) };
    let query = query.or(base.query()).map(|query| format!("?{query}")).unwrap_or_default();
    let uri = format!("{}://{}{path}{query}", base.scheme(), base.authority());
    uri.parse().map_err(|error| Refusal::Malformed(format!("the path cannot be passed on: {error}")))
}
