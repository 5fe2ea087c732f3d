//! What a process says, as lines of our log.

use std::io::{self, Write};

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncReadExt};

/// How the lines of functions are written.
#[derive(Clone, Debug)]
pub struct Lines {
    /// Whether they become lines of our log, with time and stream; else they are passed on as they are.
    pub prefixed: bool,
    /// The longest line, in bytes; a longer one becomes several.
    pub longest: usize,
    /// Whose lines they are, if more than one function runs here.
    pub function: Option<String>,
}

/// The stream that a line was written to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stream {
    Stdout,
    Stderr,
}

impl Stream {
    fn name(self) -> &'static str {
        match self {
            Self::Stdout => "stdout",
            Self::Stderr => "stderr",
        }
    }
}

impl Lines {
    /// Passes on what is read until its end; `call` is the call that it is about, if it is about one.
    pub(super) async fn follow(&self, stream: Stream, mut from: impl AsyncRead + Unpin, call: Option<&str>) {
        let mut buffer = BytesMut::new();
        loop {
            match from.read_buf(&mut buffer).await {
                Ok(0) => break,
                Ok(_) => take(&mut buffer, self.longest, |line| self.tell(stream, line, call)),
                Err(error) => {
                    tracing::warn!(%error, stream = stream.name(), "what the function says cannot be read");
                    break;
                }
            }
        }
        if !buffer.is_empty() {
            self.tell(stream, &buffer, call);
        }
    }

    fn tell(&self, stream: Stream, line: &[u8], call: Option<&str>) {
        if self.prefixed {
            let (line, stream, function) = (String::from_utf8_lossy(line), stream.name(), self.function.as_deref());
            return tracing::info!(target: "function", function, call, "{stream}: {line}");
        }
        let whole = [line, b"\n"].concat();
        // Nobody can be told that our own output is closed.
        drop(match stream {
            Stream::Stdout => io::stdout().lock().write_all(&whole),
            Stream::Stderr => io::stderr().lock().write_all(&whole),
        });
    }
}

/// Takes whole lines out of a buffer, and pieces of one that is longer than it may be.
fn take(buffer: &mut BytesMut, longest: usize, mut tell: impl FnMut(&[u8])) {
    loop {
        let window = buffer.get(..buffer.len().min(longest.saturating_add(1))).unwrap_or_default();
        match window.iter().position(|byte| *byte == b'\n') {
            Some(end) => {
                let line = buffer.split_to(end + 1);
                let line = line.strip_suffix(b"\n").unwrap_or(&line);
                tell(line.strip_suffix(b"\r").unwrap_or(line));
            }
            None if buffer.len() > longest => tell(&buffer.split_to(longest)),
            None => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str, longest: usize) -> (Vec<String>, String) {
        let (mut buffer, mut lines) = (BytesMut::from(text), Vec::new());
        take(&mut buffer, longest, |line| lines.push(String::from_utf8(line.to_vec()).unwrap()));
        (lines, String::from_utf8(buffer.to_vec()).unwrap())
    }

    #[test]
    fn lines_are_whole() {
        assert_eq!(lines("a\nbc\r\n\nd", 10), (vec!["a".into(), "bc".into(), String::new()], "d".into()));
        assert_eq!(lines("", 10), (vec![], String::new()));
    }

    #[test]
    fn a_line_that_is_too_long_becomes_several() {
        assert_eq!(lines("abcd\n", 4), (vec!["abcd".into()], String::new()));
        assert_eq!(lines("abcdefghij\nk", 4), (vec!["abcd".into(), "efgh".into(), "ij".into()], "k".into()));
        assert_eq!(lines("abcde", 4), (vec!["abcd".into()], "e".into()), "whatever comes, no more is kept");
    }
}
