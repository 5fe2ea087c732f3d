//! The watchdog's beginning: the function first, then who is to be told of it.

use http::{HeaderValue, Request, StatusCode, header};
use hyper::body::Incoming;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::answer::{self, Answer};
use super::descriptors;
use super::drain::Life;
use super::error::{Error, ended};
use super::exec::Exec;
use super::health::Health;
use super::meter::Meter;
use super::proxy::Proxy;
use super::service::{Function, Parts, Service};
use super::settings::{Mode, Settings};
use super::slots::Slots;
use super::upstream::{self, Upstream};
use crate::listener::{self, Bound, Limits};
use crate::metrics::format::Format;
use crate::signal::Signals;

/// Runs until it is asked to end, or its function ends.
///
/// # Errors
/// [`Error`].
pub async fn run(settings: Settings, say: impl Fn(String) -> anyhow::Result<()>) -> Result<(), Error> {
    let mut signals = Signals::listen().map_err(Error::Signals)?;
    descriptors::allow();
    let bound = listener::bind(settings.metrics_listen, Limits::default(), "--metrics-listen")?;
    say(format!("listening: metrics http://{}/metrics", bound.addr())).map_err(Error::Announce)?;
    let meter = Meter::new();
    // It is not drained but dropped, last of all: what a drain leaves is told to its end.
    let (_stays, never) = watch::channel(None);
    let mut metrics = JoinSet::new();
    metrics.spawn(scraped(bound, meter.clone(), never));

    let (tasks, hurry) = (TaskTracker::new(), CancellationToken::new());
    let (function, upstream) = match &settings.mode {
        Mode::Exec { whole } => {
            let exec = Exec {
                program: settings.program.clone(),
                whole: *whole,
                content_type: settings.content_type.clone(),
                lines: settings.lines.clone(),
                tasks: tasks.clone(),
                hurry: hurry.clone(),
            };
            (Function::Exec(Box::new(exec)), None)
        }
        Mode::Http { upstream, whole } => {
            let mut started = Upstream::start(&settings.program, &settings.lines).map_err(Error::Start)?;
            tokio::select! {
                () = upstream::accepts(upstream) => {}
                status = started.ended() => return Err(ended(status)),
                signal = signals.next() => {
                    tracing::info!(signal, "asked to end before the function was there");
                    started.end(&hurry).await;
                    return Ok(());
                }
            }
            (Function::Http(Box::new(Proxy::new(upstream.clone(), *whole))), Some(started))
        }
    };

    // Not before the function is there: whoever cannot connect knows that nobody is, and that he may try again.
    let bound = listener::bind(settings.listen, Limits::default(), "--listen")?;
    let addr = bound.addr();
    let (slots, health) = (Slots::new(settings.max_inflight), Health::new(settings.lock_file.clone()));
    let service = Service::new(Parts {
        function,
        timeouts: settings.timeouts,
        slots: slots.clone(),
        health: health.clone(),
        ready_path: settings.ready_path.clone(),
        meter,
    });
    let (drain, wanted) = watch::channel(None);
    let mut server = JoinSet::new();
    server.spawn(async move {
        let handle = move |request| service.clone().handle(request);
        listener::serve(&bound, handle, wanted).await
    });
    let mut life = Life { signals, upstream, server, drain, slots, health, tasks, hurry };
    let result = match life.health.begin() {
        Ok(()) => {
            tracing::info!(mode = settings.mode.name(), program = %settings.program, "serving");
            match say(format!("listening: function http://{addr}")) {
                Ok(()) => life.serve(settings.healthcheck_interval, settings.grace).await,
                Err(error) => Err(Error::Announce(error)),
            }
        }
        Err((path, source)) => Err(Error::Lock { path, source }),
    };
    life.close().await;
    result
}

async fn scraped(bound: Bound, meter: Meter, never: watch::Receiver<Option<Instant>>) {
    let handle = move |request: Request<Incoming>| {
        let meter = meter.clone();
        async move { scrape(&meter, &request) }
    };
    if let Err(error) = listener::serve(&bound, handle, never).await {
        tracing::error!(%error, "metrics are not told any longer");
    }
}

fn scrape(meter: &Meter, request: &Request<Incoming>) -> Answer {
    if request.uri().path() != "/metrics" {
        return answer::text(StatusCode::NOT_FOUND, "metrics are at /metrics\n");
    }
    let format = Format::asked_for(request.headers());
    match format.write(meter.registry()) {
        Ok(text) => {
            let mut answer = answer::text(StatusCode::OK, text);
            answer.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(format.content_type()));
            answer
        }
        Err(error) => {
            tracing::error!(%error, "the metrics could not be written");
            answer::text(StatusCode::INTERNAL_SERVER_ERROR, "")
        }
    }
}
