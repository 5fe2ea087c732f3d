//! The honest ceiling: a loop that pulls, calls and acknowledges, a server that answers, and nothing else.
//!
//! Both are processes of their own, as Fabric's parts are, so that their CPU time can be read.

use std::convert::Infallible;
use std::sync::Arc;

use async_nats::jetstream;
use async_nats::jetstream::consumer::{AckPolicy, pull};
use async_nats::jetstream::stream::{Config, RetentionPolicy};
use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt, stream};
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::caller;
use super::place::Server;
use crate::jetstream::{Access, once};

/// How many messages are asked for at once.
const BATCH: usize = 256;
/// How many messages are on their way to the stream at once while it is filled.
const FILLING: usize = 1000;

/// A stream for the bare loop.
pub(super) async fn stream(server: &Server, name: &str) -> anyhow::Result<jetstream::Context> {
    let context = jetstream::new(once(&server.url, &server.access, "fabric bench").await?);
    let config = Config {
        name: name.into(),
        subjects: vec![name.into()],
        retention: RetentionPolicy::WorkQueue,
        ..Config::default()
    };
    context.create_stream(config).await?;
    Ok(context)
}

/// Stores calls `0..count`.
pub(super) async fn fill(context: &jetstream::Context, name: &str, count: usize) -> anyhow::Result<()> {
    let store = |number| async move {
        context.publish(name.to_owned(), caller::body(number).into()).await?.await?;
        anyhow::Ok(())
    };
    stream::iter((0..count).map(store)).buffer_unordered(FILLING).try_collect().await
}

/// Pulls from `name`, posts to `target`, acknowledges; says with `say` when it begins.
pub async fn run_loop(
    (url, access): (&str, &Access),
    name: &str,
    target: &str,
    concurrency: usize,
    say: impl Fn(String) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let context = jetstream::new(once(url, access, "fabric bench-loop").await?);
    let config = pull::Config {
        durable_name: Some("bare".into()),
        ack_policy: AckPolicy::Explicit,
        max_ack_pending: -1,
        ..pull::Config::default()
    };
    let consumer = context.create_consumer_on_stream(config, name).await?;
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    let client: Client<_, Full<Bytes>> = Client::builder(TokioExecutor::new()).build(connector);
    let target: http::Uri = target.parse()?;
    let permits = Arc::new(Semaphore::new(concurrency));
    let mut messages = consumer.stream().max_messages_per_batch(BATCH).messages().await?;
    let mut tasks = JoinSet::new();
    say("pulling from ".to_owned() + name)?;
    while let Some(message) = messages.next().await {
        let message = message?;
        let permit = permits.clone().acquire_owned().await?;
        let (client, target) = (client.clone(), target.clone());
        while tasks.try_join_next().is_some() {}
        tasks.spawn(async move {
            let mut request = Request::new(Full::new(message.payload.clone()));
            *request.method_mut() = http::Method::POST;
            *request.uri_mut() = target;
            if let Ok(answer) = client.request(request).await
                && answer.into_body().collect().await.is_ok()
            {
                // What is not acknowledged comes again.
                drop(message.ack().await);
            }
            drop(permit);
        });
    }
    Ok(())
}

/// Answers 202 to everything; says where with `say`.
pub async fn run_server(say: impl Fn(String) -> anyhow::Result<()>) -> anyhow::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    say(format!("listening: public http://{}", listener.local_addr()?))?;
    let mut connections = JoinSet::new();
    loop {
        let (stream, _) = listener.accept().await?;
        drop(stream.set_nodelay(true));
        connections.spawn(async move {
            let served = http1::Builder::new().serve_connection(TokioIo::new(stream), service_fn(accept));
            // A caller that hangs up is its own affair.
            drop(served.await);
        });
    }
}

async fn accept(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    drop(request.into_body().collect().await);
    let mut response = Response::default();
    *response.status_mut() = StatusCode::ACCEPTED;
    Ok(response)
}
