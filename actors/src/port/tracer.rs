//! What is told of a call to whoever traces: spans, each once it is over.

use std::borrow::Cow;

use proto::Timestamp;
use proto::trace::{Context, SpanId};

/// Takes spans, and decides which traces are begun. Nothing here waits: a call is never slower for being traced than it
/// takes to put a span down.
pub trait Tracer: Send + Sync + 'static {
    /// A new trace, which is sampled or not.
    fn root(&self) -> Context;

    /// A new span.
    fn span(&self) -> SpanId;

    /// Whether what goes wrong is told although its trace is not sampled.
    fn keeps_failures(&self) -> bool;

    /// Takes a span. One for which there is no room is counted, and gone.
    fn record(&self, span: Span);
}

/// A span that is over.
#[derive(Clone, Debug, PartialEq)]
pub struct Span {
    /// Of how many kinds there are few.
    pub name: Cow<'static, str>,
    /// What it is to others.
    pub kind: Kind,
    /// Itself.
    pub context: Context,
    /// Whose part it is.
    pub parent: Option<Parent>,
    /// What else it follows from.
    pub link: Option<Context>,
    /// When it began.
    pub began: Timestamp,
    /// When it was over.
    pub ended: Timestamp,
    /// What else is known.
    pub attributes: Vec<(&'static str, Value)>,
    /// What went wrong, in a word, if anything did.
    pub failure: Option<Cow<'static, str>>,
}

/// The span that another is a part of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parent {
    /// In this process.
    Here(SpanId),
    /// In another one.
    Elsewhere(SpanId),
}

/// What a span is to others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Answers a request.
    Server,
    /// Stores a message.
    Producer,
    /// Handles a message.
    Consumer,
    /// Sends a request.
    Client,
    /// Nothing to anybody else.
    Internal,
}

/// The value of an attribute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// Text.
    Text(Cow<'static, str>),
    /// A whole number.
    Number(i64),
}

impl Span {
    /// A span that begins, and is over only when it is put down.
    #[must_use]
    pub fn begin(name: impl Into<Cow<'static, str>>, kind: Kind, context: Context, began: Timestamp) -> Self {
        Self {
            name: name.into(),
            kind,
            context,
            parent: None,
            link: None,
            began,
            ended: began,
            attributes: Vec::new(),
            failure: None,
        }
    }

    /// Notes something.
    pub fn note(&mut self, attribute: &'static str, value: impl Into<Value>) {
        self.attributes.push((attribute, value.into()));
    }

    /// It is over.
    #[must_use]
    pub fn end(self, ended: Timestamp) -> Self {
        Self { ended: ended.max(self.began), ..self }
    }
}

impl Parent {
    /// The span.
    #[must_use]
    pub fn span(self) -> SpanId {
        match self {
            Self::Here(span) | Self::Elsewhere(span) => span,
        }
    }
}

impl From<&'static str> for Value {
    fn from(text: &'static str) -> Self {
        Self::Text(text.into())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text.into())
    }
}

impl From<u16> for Value {
    fn from(number: u16) -> Self {
        Self::Number(number.into())
    }
}

impl From<u32> for Value {
    fn from(number: u32) -> Self {
        Self::Number(number.into())
    }
}

impl From<usize> for Value {
    fn from(number: usize) -> Self {
        Self::Number(i64::try_from(number).unwrap_or(i64::MAX))
    }
}
