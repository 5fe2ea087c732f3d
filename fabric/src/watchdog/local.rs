//! A command as a function within another process, on a port of its own: what `fabric dev --function wc='wc -c'` has.

use http::HeaderValue;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use url::Url;

use super::exec::Exec;
use super::health::Health;
use super::limits::Timeouts;
use super::lines::Lines;
use super::meter::Meter;
use super::program::Program;
use super::service::{Function, Parts, Service};
use super::slots::Slots;
use super::{CONTENT_TYPE, LINE_LEN_MAX};
use crate::listener::{self, Limits};

/// The function at work.
pub struct Local {
    url: Url,
    drain: watch::Sender<Option<Instant>>,
    server: JoinSet<()>,
    tasks: TaskTracker,
    hurry: CancellationToken,
}

/// Why there is none.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No port can be had.
    #[error(transparent)]
    Listen(#[from] listener::Error),
    /// Its address is no URL.
    #[error("where it listens is no URL: {0}")]
    Url(#[from] url::ParseError),
}

impl Local {
    /// Starts it on a free port of this machine. How long a call may take is said by whoever calls: one whom nobody
    /// waits for is ended.
    ///
    /// # Errors
    /// [`Error`].
    #[expect(clippy::unused_async, reason = "a runtime must be there to serve on")]
    pub async fn start(name: &str, program: Program) -> Result<Self, Error> {
        super::descriptors::allow();
        let bound = listener::bind(([127, 0, 0, 1], 0).into(), Limits::default(), "another network namespace")?;
        let url = Url::parse(&format!("http://{}", bound.addr()))?;
        let (tasks, hurry) = (TaskTracker::new(), CancellationToken::new());
        let exec = Exec {
            program,
            whole: false,
            content_type: HeaderValue::from_static(CONTENT_TYPE),
            lines: Lines { prefixed: true, longest: LINE_LEN_MAX, function: Some(name.to_owned()) },
            tasks: tasks.clone(),
            hurry: hurry.clone(),
        };
        let service = Service::new(Parts {
            function: Function::Exec(Box::new(exec)),
            timeouts: Timeouts::default(),
            slots: Slots::new(0),
            health: Health::new(None),
            ready_path: None,
            meter: Meter::new(),
        });
        let (drain, wanted) = watch::channel(None);
        let mut server = JoinSet::new();
        server.spawn(async move {
            let handle = move |request| service.clone().handle(request);
            if let Err(error) = listener::serve(&bound, handle, wanted).await {
                tracing::error!(%error, "a function of this process ended");
            }
        });
        Ok(Self { url, drain, server, tasks, hurry })
    }

    /// Where it answers.
    #[must_use]
    pub fn url(&self) -> &Url {
        &self.url
    }

    /// Ends it, and every process that still runs.
    pub async fn close(mut self) {
        self.drain.send_replace(Some(Instant::now()));
        self.server.join_next().await;
        self.hurry.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }
}
