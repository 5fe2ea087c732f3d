//! Where a call is in somebody's trace: W3C Trace Context, as far as it must be understood to be carried on.
//!
//! `traceparent` is read and written; `tracestate` is others' and travels as it came.

use std::fmt;

use http::{HeaderMap, HeaderValue};

use crate::header::{TRACEPARENT, TRACESTATE};

/// Which trace. Never all zeros.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct TraceId([u8; 16]);

/// Which span of a trace. Never all zeros.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct SpanId([u8; 8]);

/// A span as others know it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Context {
    /// Its trace.
    pub trace: TraceId,
    /// Itself.
    pub span: SpanId,
    /// Whether the trace is recorded, as whoever began it decided.
    pub sampled: bool,
}

/// How an attempt is joined to the request that asked for it, across the queue.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Across {
    /// As its child: all attempts of a call are in the trace of its caller.
    #[default]
    Parent,
    /// By a link: each attempt is a trace of its own, as suits calls that wait for days or come by the thousand from one.
    Link,
}

impl Across {
    /// Reads the word for it.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "parent" => Some(Self::Parent),
            "link" => Some(Self::Link),
            _ => None,
        }
    }
}

/// `00-<trace>-<span>-<flags>`
const LEN: usize = 55;
const SAMPLED: u8 = 1;

impl Context {
    /// The context that a request came with; none, if it came with none, or with what is none.
    #[must_use]
    pub fn of(headers: &HeaderMap) -> Option<Self> {
        let mut values = headers.get_all(TRACEPARENT).iter();
        let context = Self::parse(values.next()?.as_bytes())?;
        // Two parents are none.
        values.next().is_none().then_some(context)
    }

    /// Reads a `traceparent`. One of a later version may go on after what is known of it.
    #[must_use]
    pub fn parse(text: &[u8]) -> Option<Self> {
        let (known, rest) = text.split_at_checked(LEN)?;
        let [version @ .., b'-'] = known.get(..3)? else { return None };
        let version = byte(version)?;
        let is_whole = match version {
            0 => rest.is_empty(),
            0xff => false,
            _ => rest.first().is_none_or(|next| *next == b'-'),
        };
        if !is_whole || known.get(35) != Some(&b'-') || known.get(52) != Some(&b'-') {
            return None;
        }
        let trace = TraceId::new(bytes(known.get(3..35)?)?)?;
        let span = SpanId::new(bytes(known.get(36..52)?)?)?;
        Some(Self { trace, span, sampled: byte(known.get(53..)?)? & SAMPLED != 0 })
    }

    /// As a `traceparent`.
    #[must_use]
    pub fn header(&self) -> HeaderValue {
        let mut text = [b'-'; LEN];
        let flags = if self.sampled { SAMPLED } else { 0 };
        write(text.get_mut(0..2), &[0]);
        write(text.get_mut(3..35), &self.trace.0);
        write(text.get_mut(36..52), &self.span.0);
        write(text.get_mut(53..55), &[flags]);
        // Hexadecimal digits and hyphens are visible ASCII.
        HeaderValue::from_bytes(&text).unwrap_or_else(|_| HeaderValue::from_static(""))
    }

    /// Another span of the same trace.
    #[must_use]
    pub fn with(self, span: SpanId) -> Self {
        Self { span, ..self }
    }

    /// Has whoever gets these headers go on from here, in the same trace.
    pub fn pass_on(&self, headers: &mut HeaderMap) {
        headers.insert(TRACEPARENT, self.header());
    }
}

/// Makes `to` go on where `from` is.
pub fn carry(from: &HeaderMap, to: &mut HeaderMap) {
    forget(to);
    for name in [TRACEPARENT, TRACESTATE] {
        for value in from.get_all(&name) {
            to.append(name.clone(), value.clone());
        }
    }
}

/// Leaves out what a request said of its trace.
pub fn forget(headers: &mut HeaderMap) {
    headers.remove(TRACEPARENT);
    headers.remove(TRACESTATE);
}

impl TraceId {
    /// These bytes, unless all are zero.
    #[must_use]
    pub fn new(bytes: [u8; 16]) -> Option<Self> {
        (bytes != [0; 16]).then_some(Self(bytes))
    }

    /// Its bytes.
    #[must_use]
    pub fn bytes(self) -> [u8; 16] {
        self.0
    }
}

impl SpanId {
    /// These bytes, unless all are zero.
    #[must_use]
    pub fn new(bytes: [u8; 8]) -> Option<Self> {
        (bytes != [0; 8]).then_some(Self(bytes))
    }

    /// Its bytes.
    #[must_use]
    pub fn bytes(self) -> [u8; 8] {
        self.0
    }
}

impl fmt::Display for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Display for SpanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Debug for SpanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

fn write(to: Option<&mut [u8]>, bytes: &[u8]) {
    let digits = to.into_iter().flatten();
    let halves = bytes.iter().flat_map(|byte| [byte >> 4, byte & 0xf]);
    digits.zip(halves).for_each(|(digit, half)| *digit = if half < 10 { b'0' + half } else { b'a' + half - 10 });
}

fn bytes<const N: usize>(text: &[u8]) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    for (byte, digits) in bytes.iter_mut().zip(text.chunks_exact(2)) {
        *byte = self::byte(digits)?;
    }
    Some(bytes)
}

/// Two hexadecimal digits; large letters are none here.
fn byte(digits: &[u8]) -> Option<u8> {
    let [high, low] = digits else { return None };
    let (high, low) = (HALVES.get(usize::from(*high))?, HALVES.get(usize::from(*low))?);
    ((high | low) < NONE).then_some(high << 4 | low)
}

/// What each byte is as a digit. Every call's trace is read, and nearly all of them for nothing.
const HALVES: [u8; 256] = {
    let mut halves = [NONE; 256];
    let mut half = 0;
    while half < 16 {
        #[expect(clippy::indexing_slicing, reason = "a mistake here does not compile")]
        {
            halves[b"0123456789abcdef"[half] as usize] = half as u8;
        }
        half += 1;
    }
    halves
};
const NONE: u8 = 0x10;

#[cfg(test)]
mod tests {
    use super::*;

    const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    fn headers(all: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in all {
            headers.append(*name, HeaderValue::from_static(value));
        }
        headers
    }

    #[test]
    fn a_parent_is_read_as_it_is_written() {
        let context = Context::parse(PARENT.as_bytes()).unwrap();
        assert!(context.sampled);
        assert_eq!(context.trace.to_string(), "4bf92f3577b34da6a3ce929d0e0e4736");
        assert_eq!(context.span.to_string(), "00f067aa0ba902b7");
        assert_eq!(context.header(), PARENT);
        let unsampled = Context { sampled: false, ..context };
        assert_eq!(Context::parse(unsampled.header().as_bytes()), Some(unsampled));
        let flags = Context::parse(b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-fe").unwrap();
        assert!(!flags.sampled, "what other flags mean is not known");
    }

    #[test]
    fn what_is_no_parent_is_none() {
        for bad in [
            "",
            "00",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "0g-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01 ",
            "00-4bf92f3577b34da6a3ce929d0e0e4736_00f067aa0ba902b7-01",
            "01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01more",
        ] {
            assert_eq!(Context::parse(bad.as_bytes()), None, "{bad:?}");
        }
        assert!(Context::parse(b"01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more").is_some());
        assert_eq!(Context::of(&headers(&[("traceparent", PARENT), ("traceparent", PARENT)])), None);
    }

    #[test]
    fn what_others_say_of_the_trace_travels_as_it_came() {
        let from = headers(&[("traceparent", PARENT), ("tracestate", "a=1"), ("tracestate", "b=2"), ("x", "y")]);
        let mut to = headers(&[("traceparent", "the function's"), ("tracestate", "c=3")]);
        carry(&from, &mut to);
        assert_eq!(to.len(), 3);
        assert_eq!(Context::of(&to), Context::parse(PARENT.as_bytes()));
        assert_eq!(to.get_all("tracestate").iter().collect::<Vec<_>>(), ["a=1", "b=2"]);
        carry(&HeaderMap::new(), &mut to);
        assert!(to.is_empty(), "what a function says of its own trace is not its caller's");
    }
}
