//! Our spans as the exporter takes them.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use actors::port::tracer::{Kind, Parent, Span, Value};
use actors::trace::attribute::ERROR_TYPE;
use opentelemetry::trace::{Link, SpanContext, SpanId, SpanKind, Status, TraceFlags, TraceId, TraceState};
use opentelemetry::{InstrumentationScope, KeyValue};
use opentelemetry_sdk::trace::{SpanData, SpanEvents, SpanLinks};
use proto::Timestamp;
use proto::trace::Context;

/// What tells them.
pub(super) fn scope() -> InstrumentationScope {
    InstrumentationScope::builder("fabric").with_version(env!("CARGO_PKG_VERSION")).build()
}

pub(super) fn convert(span: Span, scope: &InstrumentationScope) -> SpanData {
    let Span { name, kind, context: own, parent, link, began, ended, attributes, failure } = span;
    let mut attributes: Vec<_> = attributes.into_iter().map(|(key, it)| KeyValue::new(key, value(it))).collect();
    let status = match failure {
        Some(failure) => {
            attributes.push(KeyValue::new(ERROR_TYPE, failure));
            Status::error("")
        }
        None => Status::Unset,
    };
    let mut links = SpanLinks::default();
    links.links.extend(link.map(|other| Link::with_context(context(other, true))));
    SpanData {
        span_context: context(own, false),
        parent_span_id: parent.map_or(SpanId::INVALID, |parent| SpanId::from_bytes(parent.span().bytes())),
        parent_span_is_remote: matches!(parent, Some(Parent::Elsewhere(_))),
        span_kind: match kind {
            Kind::Server => SpanKind::Server,
            Kind::Producer => SpanKind::Producer,
            Kind::Consumer => SpanKind::Consumer,
            Kind::Client => SpanKind::Client,
            Kind::Internal => SpanKind::Internal,
        },
        name,
        start_time: time(began),
        end_time: time(ended),
        attributes,
        dropped_attributes_count: 0,
        events: SpanEvents::default(),
        links,
        status,
        instrumentation_scope: scope.clone(),
    }
}

fn context(context: Context, is_remote: bool) -> SpanContext {
    let (trace, span) = (TraceId::from_bytes(context.trace.bytes()), SpanId::from_bytes(context.span.bytes()));
    let flags = if context.sampled { TraceFlags::SAMPLED } else { TraceFlags::default() };
    SpanContext::new(trace, span, flags, is_remote, TraceState::default())
}

fn value(value: Value) -> opentelemetry::Value {
    match value {
        Value::Text(text) => text.into(),
        Value::Number(number) => number.into(),
    }
}

fn time(at: Timestamp) -> SystemTime {
    UNIX_EPOCH + Duration::from_nanos(u64::try_from(at.unix_nanos()).unwrap_or_default())
}
