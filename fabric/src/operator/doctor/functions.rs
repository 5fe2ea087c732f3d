//! The functions: whether something listens where each is said to be.

use std::time::Duration;

use futures_util::{StreamExt, stream};
use proto::annotation;
use proto::upstream::Upstream;
use serde_json::Value;
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::Finding;
use crate::operator::api::{Api, Query};
use crate::operator::shown;
use crate::operator::site::Error;

/// How long connecting may take.
const CONNECT_WITHIN: Duration = Duration::from_secs(2);
/// How many are tried at once.
const AT_ONCE: usize = 16;

/// Tries each upstream of each function, from here.
///
/// # Errors
/// [`Error`], if the functions cannot be listed.
pub async fn check(api: &Api) -> Result<Vec<Finding>, Error> {
    let (functions, _) = api.list("/functions", Query::default(), None).await?;
    let tried = stream::iter(functions.iter().map(function)).buffered(AT_ONCE);
    Ok(tried.collect::<Vec<_>>().await)
}

async fn function(it: &Value) -> Finding {
    let (name, upstreams) =
        (shown::text(&it["name"]), shown::text(shown::at(it, &["annotations", annotation::UPSTREAM])));
    let what = format!("function {name}");
    let mut faults = Vec::new();
    for upstream in upstreams.split(',').filter(|it| !it.trim().is_empty()) {
        faults.extend(connect(upstream).await.err());
    }
    if faults.is_empty() {
        let at = if upstreams.is_empty() { "nothing says where it is".into() } else { format!("{upstreams} listens") };
        return Finding::good(what, at);
    }
    let mend = format!("start it, or say where it is: fabric function set {name} --upstream URL");
    Finding::fault(what, faults.join("; "), mend)
}

/// Whether somebody takes connections there.
async fn connect(upstream: &str) -> Result<(), String> {
    let shown = upstream.trim();
    let url = Upstream::parse(upstream).map_err(|error| format!("{shown}: {error}"))?.url;
    let host = url.host_str().map(|host| host.trim_start_matches('[').trim_end_matches(']').to_owned());
    let (Some(host), Some(port)) = (host, url.port_or_known_default()) else {
        return Err(format!("{shown} names no host"));
    };
    match timeout(CONNECT_WITHIN, TcpStream::connect((host, port))).await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(error)) => Err(format!("{shown} cannot be reached from here: {error}")),
        Err(_) => Err(format!("{shown} cannot be reached from here: no answer within {CONNECT_WITHIN:?}")),
    }
}
