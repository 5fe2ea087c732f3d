//! A connection that nobody holds up for ever: a head must come, and an answer must be taken, in a time.
//!
//! What is between requests, and the bodies, have their time elsewhere: hyper ends idle connections, and whoever reads a
//! body knows how long it may take.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep_until};

use super::framing::Framing;
use super::traffic::Traffic;

/// How long a head may be in coming from its first byte on, and a new connection until its first byte.
const HEAD_WITHIN: Duration = Duration::from_secs(15);
/// How long a peer may be in taking [`TAKEN_MIN`] bytes of an answer that waits for it.
const TAKEN_WITHIN: Duration = Duration::from_secs(60);
const TAKEN_MIN: usize = 4 * 1024;

/// What is read after something was refused, and then the end: hyper looks at a head when it has come to an end, and this
/// makes one of which it says no at once.
const AFTER_REFUSAL: &[u8] = b"\0\r\n\r\n";

/// The connection.
pub(super) struct Stream<S> {
    inner: S,
    framing: Framing,
    head: Patience,
    answer: Patience,
    traffic: Traffic,
    /// What is left of [`AFTER_REFUSAL`].
    tail: &'static [u8],
    /// How much was taken of an answer since it had to wait.
    taken: usize,
}

/// A time by which something must have happened.
#[derive(Default)]
struct Patience {
    until: Option<Instant>,
    /// Made when it is waited for, which is seldom, and used again.
    sleep: Option<Pin<Box<Sleep>>>,
}

impl Patience {
    fn begin(&mut self, within: Duration) {
        if self.until.is_none() {
            self.until = Some(Instant::now() + within);
        }
    }

    fn end(&mut self) {
        self.until = None;
    }

    /// Whether it is over; if not, the task is woken when it is.
    fn is_over(&mut self, cx: &mut Context<'_>) -> bool {
        let Some(until) = self.until else { return false };
        let sleep = self.sleep.get_or_insert_with(|| Box::pin(sleep_until(until)));
        if sleep.deadline() != until {
            sleep.as_mut().reset(until);
        }
        sleep.as_mut().poll(cx).is_ready()
    }
}

impl<S> Stream<S> {
    pub(super) fn new(inner: S, traffic: Traffic) -> Self {
        let mut head = Patience::default();
        head.begin(HEAD_WITHIN);
        let (framing, answer) = (Framing::default(), Patience::default());
        Self { inner, framing, head, answer, traffic, tail: AFTER_REFUSAL, taken: 0 }
    }

    /// What came of writing `offered` bytes, and what that says of the peer.
    fn written(
        &mut self,
        cx: &mut Context<'_>,
        offered: usize,
        wrote: Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        match &wrote {
            Poll::Ready(Ok(wrote)) => {
                self.taken += wrote;
                self.traffic.wrote(*wrote);
                if *wrote >= offered || self.taken >= TAKEN_MIN {
                    self.answer.end();
                }
            }
            Poll::Ready(Err(_)) => {}
            Poll::Pending => {
                if self.answer.until.is_none() {
                    self.taken = 0;
                    self.answer.begin(TAKEN_WITHIN);
                }
                if self.answer.is_over(cx) {
                    return Poll::Ready(Err(slow("an answer was not taken in time")));
                }
            }
        }
        self.traffic.hold_up(self.answer.until.is_some());
        wrote
    }
}

fn slow(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, what)
}

impl<S: AsyncRead + Unpin> AsyncRead for Stream<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if this.framing.is_refused() {
            let (now, later) = this.tail.split_at(this.tail.len().min(buf.remaining()));
            buf.put_slice(now);
            this.tail = later;
            return Poll::Ready(Ok(()));
        }
        let before = buf.filled().len();
        if Pin::new(&mut this.inner).poll_read(cx, buf)?.is_pending() {
            let is_over = this.head.is_over(cx);
            return if is_over { Poll::Ready(Err(slow("a head did not come in time"))) } else { Poll::Pending };
        }
        if let Some(new) = buf.filled_mut().get_mut(before..).filter(|new| !new.is_empty()) {
            this.framing.pass(new);
            if this.framing.is_in_head() { this.head.begin(HEAD_WITHIN) } else { this.head.end() }
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Stream<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let wrote = Pin::new(&mut self.inner).poll_write(cx, bytes);
        self.written(cx, bytes.len(), wrote)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let wrote = Pin::new(&mut self.inner).poll_write_vectored(cx, bytes);
        let offered = bytes.iter().map(|it| it.len()).sum();
        self.written(cx, offered, wrote)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(Pin::new(&mut self.inner).poll_flush(cx))?;
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
    use tokio::time::sleep;

    use super::*;

    fn pair() -> (Stream<DuplexStream>, DuplexStream) {
        let (ours, peer) = duplex(1024);
        (Stream::new(ours, Traffic::default()), peer)
    }

    #[tokio::test(start_paused = true)]
    async fn who_says_nothing_is_not_waited_for() {
        let (mut stream, _peer) = pair();
        let began = Instant::now();
        assert_eq!(stream.read(&mut [0; 8]).await.unwrap_err().kind(), io::ErrorKind::TimedOut);
        assert_eq!(began.elapsed(), HEAD_WITHIN);
    }

    #[tokio::test(start_paused = true)]
    async fn a_head_that_comes_byte_by_byte_does_not_come_to_its_end() {
        let (mut stream, mut peer) = pair();
        let slowly = async {
            for byte in b"GET / HTTP/1.1\r\nx: ".iter().chain(&[b'a'; 100]) {
                if peer.write_all(&[*byte]).await.is_err() {
                    break;
                }
                sleep(Duration::from_secs(1)).await;
            }
        };
        let began = Instant::now();
        let read = async {
            let mut all = Vec::new();
            stream.read_to_end(&mut all).await.unwrap_err().kind()
        };
        tokio::select! {
            kind = read => assert_eq!((kind, began.elapsed()), (io::ErrorKind::TimedOut, HEAD_WITHIN)),
            () = slowly => panic!("it came to its end"),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn who_only_begins_with_http_2_is_not_waited_for() {
        const BEGINNING: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
        for sent in [1, 16, 23, 24, 32] {
            let (mut stream, mut peer) = pair();
            let began = Instant::now();
            peer.write_all(&BEGINNING[..sent]).await.unwrap();
            let mut all = Vec::new();
            assert_eq!(stream.read_to_end(&mut all).await.unwrap_err().kind(), io::ErrorKind::TimedOut);
            assert_eq!((all.len(), began.elapsed()), (sent, HEAD_WITHIN));
        }
        let (mut stream, mut peer) = pair();
        peer.write_all(BEGINNING).await.unwrap();
        assert_eq!(stream.read(&mut [0; 64]).await.unwrap(), BEGINNING.len());
        assert!(tokio::time::timeout(HEAD_WITHIN * 9, stream.read_u8()).await.is_err(), "it has time");
    }

    #[tokio::test(start_paused = true)]
    async fn between_requests_and_in_bodies_there_is_time() {
        let (mut stream, mut peer) = pair();
        let mut buffer = [0; 256];
        peer.write_all(b"POST / HTTP/1.1\r\ncontent-length: 2\r\n\r\na").await.unwrap();
        assert!(stream.read(&mut buffer).await.unwrap() > 0);
        let later = async {
            sleep(HEAD_WITHIN * 3).await;
            peer.write_all(b"b").await.unwrap();
            sleep(HEAD_WITHIN * 3).await;
            peer.write_all(b"G").await.unwrap();
        };
        let read = async {
            assert_eq!(stream.read(&mut buffer).await.unwrap(), 1);
            assert_eq!(stream.read(&mut buffer).await.unwrap(), 1);
        };
        tokio::join!(later, read);
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_refused_comes_to_an_end_that_nobody_takes_for_one() {
        let (mut stream, mut peer) = pair();
        peer.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\n").await.unwrap();
        let mut all = Vec::new();
        stream.read_to_end(&mut all).await.unwrap();
        assert_eq!(all, b"GET / HTTP/1.1\r\nhost: x\r\n\0\0\r\n\r\n");
    }

    #[tokio::test(start_paused = true)]
    async fn who_takes_an_answer_drop_by_drop_does_not_get_it() {
        let (mut stream, mut peer) = pair();
        let drops = async {
            loop {
                sleep(Duration::from_secs(5)).await;
                if peer.read(&mut [0; 16]).await.unwrap() == 0 {
                    break;
                }
            }
        };
        let began = Instant::now();
        tokio::select! {
            wrote = stream.write_all(&[0; 64 * 1024]) => {
                assert_eq!((wrote.unwrap_err().kind(), began.elapsed()), (io::ErrorKind::TimedOut, TAKEN_WITHIN));
            }
            () = drops => panic!("it was taken"),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn who_takes_an_answer_slowly_gets_it() {
        let (mut stream, mut peer) = pair();
        let slowly = async {
            let mut left: usize = 64 * 1024;
            while left > 0 {
                sleep(Duration::from_secs(10)).await;
                left -= peer.read(&mut [0; 1024]).await.unwrap();
            }
        };
        let (wrote, ()) = tokio::join!(stream.write_all(&[0; 64 * 1024]), slowly);
        wrote.unwrap();
    }
}
