//! A process for each request: the body is its stdin, its stdout the answer.
//!
//! A task of its own goes with each process until it and all that it started are gone, whether or not anybody waits for
//! the answer; the request's slot is taken for as long.

use std::future::pending;
use std::io;

use bytes::{Bytes, BytesMut};
use futures_util::stream;
use http::{HeaderValue, Request, Response, header};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, StreamBody};
use hyper::body::{Body as _, Frame};
use proto::header::X_CALL_ID;
use rustix::process::Signal;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::{ChildStdin, ChildStdout};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Duration, sleep, timeout_at};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::answer::{self, Answer};
use super::body::{Body, KEPT_MAX, kept};
use super::environment;
use super::fault::Fault;
use super::limits::Limits;
use super::lines::{Lines, Stream};
use super::process::{Process, Streams};
use super::program::Program;
use super::slots::Slot;

/// How much is read from a process at once, in bytes.
const CHUNK_LEN: usize = 32 * 1024;
/// How long a process's output may stay open, and its input be sent, once it has ended: what it left running may hold
/// its output, and not every caller looks at an answer before he has sent everything.
const LINGER: Duration = Duration::from_millis(500);

/// The function.
#[derive(Clone)]
pub(super) struct Exec {
    pub(super) program: Program,
    /// Whether bodies are whole before anything is done with them.
    pub(super) whole: bool,
    pub(super) content_type: HeaderValue,
    pub(super) lines: Lines,
    /// The tasks that go with processes.
    pub(super) tasks: TaskTracker,
    /// Says that processes are not waited for any longer.
    pub(super) hurry: CancellationToken,
}

impl Exec {
    /// Runs it. Who drops this future, or the body of its answer, ends the process.
    pub(super) async fn answer(&self, request: Request<Body>, limits: Limits, slot: Slot) -> Answer {
        match self.run(request, limits, slot).await {
            Ok(answer) => answer,
            Err(fault) => answer::failed(&fault),
        }
    }

    async fn run(&self, request: Request<Body>, limits: Limits, slot: Slot) -> Result<Answer, Fault> {
        let (head, mut body) = request.into_parts();
        if self.whole {
            body = kept(body, limits).await?;
        }
        let (process, streams) = Process::start(&self.program, environment::of(&head), true).map_err(Fault::Start)?;
        let call = head.headers.get(X_CALL_ID).and_then(|id| id.to_str().ok()).map(ToOwned::to_owned);
        let (chunks, mut answered) = mpsc::channel(1);
        let (end, ended) = oneshot::channel();
        let run = Run { process, limits, chunks, end, exited: CancellationToken::new(), slot };
        self.tasks.spawn(run.follow(self.clone(), streams, body, call));

        let Some(first) = answered.recv().await else {
            ended.await.unwrap_or(Err(Fault::CallerGone))?;
            return Ok(self.with(answer::whole(Bytes::new())));
        };
        if self.whole {
            ended.await.unwrap_or(Err(Fault::CallerGone))?;
            return Ok(self.with(answer::whole(first)));
        }
        let rest = stream::unfold(Some((Some(first), answered, ended)), |state| async {
            let (first, mut answered, ended) = state?;
            let next = match first {
                Some(first) => Some(first),
                None => answered.recv().await,
            };
            match next {
                Some(chunk) => Some((Ok(Frame::data(chunk)), Some((None, answered, ended)))),
                // What was sent is the whole only if the function says so.
                None => match ended.await.unwrap_or(Err(Fault::CallerGone)) {
                    Ok(()) => None,
                    Err(fault) => Some((Err(io::Error::other(fault)), None)),
                },
            }
        });
        Ok(self.with(StreamBody::new(rest).boxed_unsync()))
    }

    fn with(&self, body: UnsyncBoxBody<Bytes, io::Error>) -> Answer {
        let mut answer = Response::new(body);
        answer.headers_mut().insert(header::CONTENT_TYPE, self.content_type.clone());
        answer
    }
}

/// One process at work.
struct Run {
    process: Process,
    limits: Limits,
    chunks: mpsc::Sender<Bytes>,
    end: oneshot::Sender<Result<(), Fault>>,
    /// Said once it has ended.
    exited: CancellationToken,
    slot: Slot,
}

impl Run {
    async fn follow(self, function: Exec, streams: Streams, body: Body, call: Option<String>) {
        let Streams { stdin, stdout, stderr } = streams;
        let exited = self.exited.clone();
        let said = async {
            if let Some(stderr) = stderr {
                tokio::select! {
                    () = function.lines.follow(Stream::Stderr, stderr, call.as_deref()) => {}
                    () = lingering(&exited) => {}
                }
            }
        };
        tokio::join!(self.work(&function, stdin, stdout, body), said);
    }

    async fn work(self, function: &Exec, stdin: Option<ChildStdin>, stdout: Option<ChildStdout>, body: Body) {
        let Self { mut process, limits, chunks, end, exited, slot } = self;
        let group = process.group();
        let work = async {
            let (process, exited) = (&mut process, &exited);
            let exit = async {
                let status = process.ended().await?;
                exited.cancel();
                Ok(status)
            };
            let read = read(stdout, &chunks, function.whole, exited, || group.signal(Signal::KILL));
            let ((), (), status) = tokio::try_join!(feed(body, stdin, limits, exited), read, exit)?;
            if status.success() { Ok(()) } else { Err(Fault::Exit(status)) }
        };
        let outcome = tokio::select! {
            outcome = work => outcome,
            after = limits.whole.passed() => Err(Fault::TimedOut(after)),
            () = chunks.closed() => Err(Fault::CallerGone),
        };
        if let Err(fault) = &outcome {
            tracing::warn!(process = process.id(), %fault, "a request came to nothing");
        }
        // Before the channel is closed: who finds it closed asks how it ended. One who is gone is not told.
        drop(end.send(outcome));
        drop(chunks);
        if let Err(error) = process.end(&function.hurry).await {
            tracing::warn!(process = process.id(), %error, "a process cannot be waited for");
        }
        exited.cancel();
        drop(slot);
    }
}

/// Passes the body on to the process. What that does not want is thrown away, so that the caller gets to the answer.
async fn feed(
    mut body: Body,
    mut stdin: Option<ChildStdin>,
    limits: Limits,
    exited: &CancellationToken,
) -> Result<(), Fault> {
    let feed = async {
        while !body.is_end_stream() {
            let frame = match limits.read.at {
                Some(at) => timeout_at(at, body.frame()).await.map_err(|_| Fault::SlowRequest(limits.read.after))?,
                None => body.frame().await,
            };
            let Some(frame) = frame else { break };
            let Ok(data) = frame.map_err(|_| Fault::CallerGone)?.into_data() else { continue };
            if let Some(pipe) = &mut stdin
                && pipe.write_all(&data).await.is_err()
            {
                // It reads no more, which is no fault: `head` and its like have enough at some time.
                stdin = None;
            }
        }
        // The end of the file is what many wait for.
        drop(stdin.take());
        Ok(())
    };
    tokio::select! {
        fed = feed => fed,
        () = lingering(exited) => Ok(()),
    }
}

/// Passes on what the process writes, until nobody can write any more.
async fn read(
    stdout: Option<ChildStdout>,
    chunks: &mpsc::Sender<Bytes>,
    whole: bool,
    exited: &CancellationToken,
    kill: impl Fn(),
) -> Result<(), Fault> {
    let Some(mut stdout) = stdout else { return Ok(()) };
    let (mut buffer, mut killed) = (BytesMut::new(), false);
    loop {
        buffer.reserve(CHUNK_LEN);
        let read = tokio::select! {
            read = stdout.read_buf(&mut buffer) => read?,
            // Somebody whom it started still could. He who is asked a second time has left the group.
            () = lingering(exited) => match std::mem::replace(&mut killed, true) {
                true => 0,
                false => {
                    kill();
                    continue;
                }
            },
        };
        if whole && buffer.len() > KEPT_MAX {
            return Err(Fault::LargeAnswer(KEPT_MAX));
        }
        if (read == 0 || !whole) && !buffer.is_empty() {
            // The receiver is gone only with the caller, which is noticed elsewhere.
            if chunks.send(buffer.split().freeze()).await.is_err() {
                pending::<()>().await;
            }
        }
        if read == 0 {
            return Ok(());
        }
    }
}

/// Over a while after the process has ended.
async fn lingering(exited: &CancellationToken) {
    exited.cancelled().await;
    sleep(LINGER).await;
}
