//! Where requests begin and end in what comes in over a connection (pure).
//!
//! Hyper takes requests apart, and forgives what HTTP/1 allows a server to forgive: a line that ends without a carriage
//! return, a length beside chunks, the same length twice. Whoever forwards requests to here may forgive otherwise, and then
//! the two see different requests in the same bytes: one is smuggled past the other. So the bytes go through here first.
//! What can be read in two ways is blotted out with zeros, which hyper's parser answers with 400 and the end of the
//! connection. This also knows, as hyper does not tell, whether a peer is in the middle of a head.

use memchr::memchr;

/// The first line that HTTP/2 begins with.
const PREFACE: &[u8] = b"PRI * HTTP/2.0";
/// What comes after that line until HTTP/2 has begun: the rest of its preface, and the head of the first frame.
const GREETING: u64 = b"\r\nSM\r\n\r\n".len() as u64 + 9;

/// Follows the requests of one connection.
#[derive(Debug, Default)]
pub struct Framing {
    state: State,
    head: Head,
    /// The beginning of a line whose end has not come yet.
    line: Vec<u8>,
}

/// What comes next.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    /// A request, or empty lines before it.
    #[default]
    Between,
    /// Lines of a head after the first one.
    Head,
    /// So much of a body.
    Fixed(u64),
    /// The line with the size of a chunk.
    Size,
    /// So much of a chunk, and the end of its line.
    Chunk(u64),
    /// Lines after the last chunk.
    Trailer,
    /// So much of what HTTP/2 begins with.
    Greeting(u64),
    /// HTTP/2, which has frames of its own.
    Frames,
    /// Nothing: what came was refused.
    Refused,
}

/// What the lines of a head said so far.
#[derive(Clone, Copy, Debug, Default)]
struct Head {
    is_11: bool,
    length: Option<u64>,
    is_chunked: bool,
}

impl Framing {
    /// Whether a head, or what HTTP/2 has in its place, has begun to come and has not ended.
    #[must_use]
    pub fn is_in_head(&self) -> bool {
        match self.state {
            State::Head | State::Greeting(_) => true,
            State::Between => !self.line.is_empty(),
            _ => false,
        }
    }

    /// Whether something was refused.
    #[must_use]
    pub fn is_refused(&self) -> bool {
        self.state == State::Refused
    }

    /// Goes through the next bytes, and blots out what is refused.
    pub fn pass(&mut self, bytes: &mut [u8]) {
        let mut at = 0;
        while at < bytes.len() {
            let rest = bytes.get(at..).unwrap_or_default();
            match self.state {
                State::Frames => return,
                State::Refused => return bytes.get_mut(at..).unwrap_or_default().fill(0),
                State::Fixed(left) | State::Chunk(left) | State::Greeting(left) => {
                    let here = usize::try_from(left).unwrap_or(usize::MAX).min(rest.len());
                    let left = left - here as u64;
                    self.state = match self.state {
                        State::Fixed(_) if left == 0 => State::Between,
                        State::Fixed(_) => State::Fixed(left),
                        State::Greeting(_) if left == 0 => State::Frames,
                        State::Greeting(_) => State::Greeting(left),
                        _ if left == 0 => State::Size,
                        _ => State::Chunk(left),
                    };
                    at += here;
                }
                State::Between | State::Head | State::Size | State::Trailer => {
                    let Some(end) = memchr(b'\n', rest) else { return self.line.extend_from_slice(rest) };
                    let (line, next) = (rest.get(..end).unwrap_or_default(), at + end + 1);
                    let read = if self.line.is_empty() {
                        self.read(line)
                    } else {
                        let mut whole = std::mem::take(&mut self.line);
                        whole.extend_from_slice(line);
                        self.read(&whole)
                    };
                    // The end of the line goes as well, so that hyper does not take it for one.
                    match read {
                        Some(state) => (self.state, at) = (state, next),
                        None => self.state = State::Refused,
                    }
                }
            }
        }
    }

    /// What follows a line, of which only the line feed is left out; nothing, if it is refused.
    fn read(&mut self, line: &[u8]) -> Option<State> {
        let line = line.strip_suffix(b"\r")?;
        match self.state {
            State::Between | State::Trailer if line.is_empty() => Some(State::Between),
            State::Between if line == PREFACE => Some(State::Greeting(GREETING)),
            State::Between => {
                self.head = Head { is_11: line.ends_with(b" HTTP/1.1"), ..Head::default() };
                Some(State::Head)
            }
            State::Head if line.is_empty() => Some(match self.head {
                Head { is_chunked: true, .. } => State::Size,
                Head { length: Some(length @ 1..), .. } => State::Fixed(length),
                Head { .. } => State::Between,
            }),
            State::Head => self.field(line).map(|()| State::Head),
            State::Size => match size(line)? {
                0 => Some(State::Trailer),
                // The line after it ends with the chunk.
                size => Some(State::Chunk(size.checked_add(2)?)),
            },
            state => Some(state),
        }
    }

    /// Reads a field of a head, of which only those matter that say how long the body is.
    fn field(&mut self, line: &[u8]) -> Option<()> {
        if !matches!(line.first(), Some(b'c' | b'C' | b't' | b'T')) {
            return Some(());
        }
        let (name, value) = line.split_at_checked(memchr(b':', line)?)?;
        let value = value.get(1..)?.trim_ascii();
        let head = &mut self.head;
        if name.eq_ignore_ascii_case(b"content-length") {
            let is_first = head.length.is_none() && !head.is_chunked;
            head.length = Some(number(value, 10).filter(|_| is_first)?);
        } else if name.eq_ignore_ascii_case(b"transfer-encoding") {
            let is_first = head.length.is_none() && !head.is_chunked;
            // Nothing is decoded here, and nobody behind could know what is in the chunks.
            if !is_first || !head.is_11 || !value.eq_ignore_ascii_case(b"chunked") {
                return None;
            }
            head.is_chunked = true;
        }
        Some(())
    }
}

/// The size of a chunk, whatever is said behind it.
fn size(line: &[u8]) -> Option<u64> {
    let end = line.iter().position(|byte| !byte.is_ascii_hexdigit()).unwrap_or(line.len());
    let (digits, rest) = line.split_at_checked(end)?;
    let rest = rest.trim_ascii_start();
    number(digits, 16).filter(|_| rest.is_empty() || rest.starts_with(b";"))
}

/// Digits and nothing else.
fn number(digits: &[u8], radix: u32) -> Option<u64> {
    let text = std::str::from_utf8(digits).ok()?;
    // A sign would be read as well.
    u64::from_str_radix(text, radix).ok().filter(|_| !text.starts_with('+'))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, prop_assert, prop_assert_eq, prop_oneof, proptest};
    use proptest::strategy::{Just, Strategy};

    use super::*;

    /// What is left of some bytes that come in pieces of this length, and whether any were refused.
    fn passed(bytes: &[u8], piece: usize) -> (Vec<u8>, Framing) {
        let (mut framing, mut all) = (Framing::default(), bytes.to_vec());
        all.chunks_mut(piece).for_each(|piece| framing.pass(piece));
        (all, framing)
    }

    #[test]
    fn what_is_one_request_to_everybody_passes_as_it_is() {
        for bytes in [
            "GET / HTTP/1.1\r\nhost: x\r\n\r\n",
            "\r\n\r\nGET / HTTP/1.1\r\nhost: x\r\n\r\nGET / HTTP/1.0\r\n\r\n",
            "POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\na\nb\nc",
            "POST / HTTP/1.1\r\nContent-Length:\t0 \r\n\r\nGET / HTTP/1.1\r\n\r\n",
            "POST / HTTP/1.1\r\nTransfer-Encoding: Chunked\r\n\r\n5\r\na\nb\nc\r\n0\r\n\r\nGET / HTTP/1.1\r\n\r\n",
            "POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\nA ;x=y\r\n0123456789\r\n0\r\nt: 1\r\n\r\n",
            "GET / HTTP/1.1\r\nTE: trailers\r\nCookie: a\r\nContent-Type: b\r\nX: Content-Length: 5\r\n\r\n",
            "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\n\n\n\0\0\0\0\0\n\n",
        ] {
            for piece in 1..=bytes.len() {
                let (left, framing) = passed(bytes.as_bytes(), piece);
                assert_eq!(left, bytes.as_bytes(), "in pieces of {piece}");
                assert!(!framing.is_refused() && !framing.is_in_head(), "{bytes:?} {framing:?}");
            }
        }
    }

    #[test]
    fn what_can_be_read_in_two_ways_does_not() {
        for bytes in [
            "GET / HTTP/1.1\nhost: x\r\n\r\n",
            "GET / HTTP/1.1\r\nhost: x\n\r\n",
            "GET / HTTP/1.1\r\nhost: x\r\n\n",
            "\nGET / HTTP/1.1\r\n\r\n",
            "POST / HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
            "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n",
            "POST / HTTP/1.1\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\n",
            "POST / HTTP/1.1\r\nContent-Length: 5\r\nCONTENT-LENGTH: 6\r\n\r\n",
            "POST / HTTP/1.1\r\nContent-Length: 5, 5\r\n\r\n",
            "POST / HTTP/1.1\r\nContent-Length: +5\r\n\r\n",
            "POST / HTTP/1.1\r\nContent-Length: -5\r\n\r\n",
            "POST / HTTP/1.1\r\nContent-Length: 0x5\r\n\r\n",
            "POST / HTTP/1.1\r\nContent-Length: 5 5\r\n\r\n",
            "POST / HTTP/1.1\r\nContent-Length:\r\n\r\n",
            "POST / HTTP/1.1\r\nContent-Length: 99999999999999999999\r\n\r\n",
            "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
            "POST / HTTP/1.1\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
            "POST / HTTP/1.1\r\nTransfer-Encoding: chunked, identity\r\n\r\n",
            "POST / HTTP/1.1\r\nTransfer-Encoding: xchunked\r\n\r\n",
            "POST / HTTP/1.1\r\nTransfer-Encoding: \"chunked\"\r\n\r\n",
            "POST / HTTP/1.1\r\nTransfer-Encoding:\r\n\r\n",
            "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n",
            "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5\nabcde\r\n0\r\n\r\n",
            "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n+5\r\nabcde\r\n0\r\n\r\n",
            "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0x5\r\nabcde\r\n0\r\n\r\n",
            "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n\r\n",
            "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n10000000000000000\r\n",
            "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5;a\nb\r\nabcde\r\n0\r\n\r\n",
            "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nt: 1\n\r\n",
        ] {
            for piece in 1..=bytes.len() {
                let (left, framing) = passed(bytes.as_bytes(), piece);
                assert!(framing.is_refused(), "{bytes:?} in pieces of {piece}");
                assert_ne!(left, bytes.as_bytes(), "{bytes:?} in pieces of {piece}");
            }
        }
    }

    #[test]
    fn a_head_is_told_from_what_is_around_it() {
        let mut framing = Framing::default();
        let mut is_in_head = |bytes: &str| {
            framing.pass(&mut bytes.as_bytes().to_vec());
            framing.is_in_head()
        };
        assert!(!is_in_head("\r\n"));
        for part in ["P", "OST / HTTP/1.1\r", "\nContent-", "Length: 3\r\n"] {
            assert!(is_in_head(part), "{part:?}");
        }
        for part in ["\r\n", "abc", "\r\n"] {
            assert!(!is_in_head(part), "{part:?}");
        }
        assert!(is_in_head("G"));
    }

    #[test]
    fn http_2_has_begun_when_its_preface_and_the_head_of_a_frame_are_there() {
        let mut framing = Framing::default();
        for part in ["PRI * HTTP/2.0\r\n", "\r\nSM\r\n\r", "\n", "\0\0\0\x04\0\0\0\0"] {
            framing.pass(&mut part.as_bytes().to_vec());
            assert!(framing.is_in_head(), "{part:?}");
        }
        framing.pass(&mut [0]);
        assert!(!framing.is_in_head());
    }

    /// What requests are made of, so that many inputs come close to being one.
    fn piece() -> impl Strategy<Value = Vec<u8>> {
        let word = |text: &'static str| Just(text.as_bytes().to_vec());
        prop_oneof![
            word("POST / HTTP/1.1\r\n"),
            word("GET / HTTP/1.0\r\n"),
            word("Content-Length: 5\r\n"),
            word("Transfer-Encoding: chunked\r\n"),
            word("\r\n"),
            word("\n"),
            word("5\r\n"),
            word("0\r\n"),
            word("abcde"),
            word("PRI * HTTP/2.0\r\n"),
            word(":"),
            proptest::collection::vec(any::<u8>(), 0..8),
        ]
    }

    proptest! {
        #[test]
        fn it_does_not_matter_in_what_pieces_bytes_come(pieces in proptest::collection::vec(piece(), 0..12), cut in 1usize..9) {
            let bytes = pieces.concat();
            let (_, whole) = passed(&bytes, bytes.len().max(1));
            let (left, apart) = passed(&bytes, cut);
            prop_assert_eq!((whole.state, whole.line), (apart.state, apart.line));
            let kept = left.iter().zip(&bytes).take_while(|(left, came)| left == came).count();
            prop_assert!(left[kept..].iter().all(|byte| *byte == 0), "what is blotted out is all that follows");
        }
    }
}
