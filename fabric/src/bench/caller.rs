//! Those who call: plain sockets and ready-made requests, so that they take little from what is measured.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Context, bail};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

/// The length of a call's body, in bytes.
pub(super) const BODY_LEN: usize = 256;
/// Answers are short.
const ANSWER_LEN_MAX: usize = 4096;

/// A body that begins with a number.
pub(super) fn body(number: usize) -> String {
    format!("{number:<BODY_LEN$}")
}

/// One connection.
struct Line {
    stream: TcpStream,
    address: String,
}

impl Line {
    async fn open(address: &str) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(address).await.with_context(|| format!("cannot connect to {address}"))?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, address: address.into() })
    }

    /// Posts call `number` to `path`; it must be accepted.
    async fn post(&mut self, path: &str, number: usize) -> anyhow::Result<()> {
        let address = &self.address;
        let head = format!("POST {path} HTTP/1.1\r\nHost: {address}\r\nContent-Length: {BODY_LEN}\r\n\r\n");
        self.stream.write_all((head + &body(number)).as_bytes()).await?;
        let (mut answer, mut length) = ([0; ANSWER_LEN_MAX], 0);
        loop {
            let space = answer.get_mut(length..).filter(|space| !space.is_empty()).context("an endless answer")?;
            let read = self.stream.read(space).await?;
            length += read;
            let text = answer.get(..length).unwrap_or_default();
            if read == 0 {
                bail!("the connection was closed after {:?}", String::from_utf8_lossy(text));
            }
            // What is accepted is answered without a body.
            if text.ends_with(b"\r\n\r\n") {
                anyhow::ensure!(text.starts_with(b"HTTP/1.1 202 "), "{}", String::from_utf8_lossy(text));
                return Ok(());
            }
            if !text.starts_with(b"HTTP/1.1 202 ") && text.len() > 13 {
                bail!("not accepted: {}", String::from_utf8_lossy(text));
            }
        }
    }
}

/// Posts the calls with these numbers to the paths in turn over so many connections; calls a second.
pub(super) async fn post_all(
    address: &str,
    paths: &[String],
    numbers: Range<usize>,
    connections: usize,
) -> anyhow::Result<f64> {
    let (paths, next, end) = (Arc::<[String]>::from(paths), Arc::new(AtomicUsize::new(numbers.start)), numbers.end);
    let began = Instant::now();
    let mut lines = JoinSet::new();
    for _ in 0..connections {
        let (address, paths, next) = (address.to_owned(), paths.clone(), next.clone());
        lines.spawn(async move {
            let mut line = Line::open(&address).await?;
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= end {
                    return anyhow::Ok(());
                }
                let path = paths.get(number % paths.len()).context("no path to call")?;
                line.post(path, number).await?;
            }
        });
    }
    while let Some(ended) = lines.join_next().await {
        ended??;
    }
    Ok(numbers.len() as f64 / began.elapsed().as_secs_f64())
}

/// Waits until something is due; from when on its time counts. A sleep ends up to two milliseconds late, which is the
/// timer's doing and none of what is measured; whoever is late because the one before took long was due at `at`.
pub(super) async fn due(at: Instant) -> Instant {
    if Instant::now() >= at {
        return at;
    }
    sleep_until(at).await;
    Instant::now()
}

/// Posts calls `0..count` at a steady rate; when each was sent, by number.
pub(super) async fn post_steadily(
    address: &str,
    path: &str,
    count: usize,
    every: Duration,
) -> anyhow::Result<Vec<Instant>> {
    const CONNECTIONS: usize = 8;
    let began = Instant::now() + Duration::from_millis(50);
    let mut lines = JoinSet::new();
    for first in 0..CONNECTIONS {
        let (address, path) = (address.to_owned(), path.to_owned());
        lines.spawn(async move {
            let (mut line, mut sent) = (Line::open(&address).await?, Vec::new());
            for number in (first..count).step_by(CONNECTIONS) {
                sent.push((number, due(began + every.mul_f64(number as f64)).await));
                line.post(&path, number).await?;
            }
            anyhow::Ok(sent)
        });
    }
    let mut sent = Vec::new();
    while let Some(ended) = lines.join_next().await {
        sent.extend(ended??);
    }
    sent.sort_unstable();
    Ok(sent.into_iter().map(|(_, at)| at).collect())
}
