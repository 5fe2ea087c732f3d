//! The formats in which metrics are told, and which of them a scraper asks for.

use anyhow::Context;
use http::{HeaderMap, header};
use prometheus_client::encoding::{prometheus_protobuf, text};
use prometheus_client::registry::Registry;

/// A format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// The text of Prometheus.
    Text,
    /// The text of OpenMetrics.
    OpenMetrics,
    /// The messages of Prometheus, in which histograms are native ones as well.
    Protobuf,
}

impl Format {
    const ALL: [Self; 3] = [Self::Text, Self::OpenMetrics, Self::Protobuf];

    /// The one that a request prefers; text if it does not say.
    #[must_use]
    pub fn asked_for(headers: &HeaderMap) -> Self {
        let lists = headers.get_all(header::ACCEPT).iter().filter_map(|list| list.to_str().ok());
        let mut best = (Self::Text, 0.0);
        for wish in lists.flat_map(|list| list.split(',')) {
            let mut parts = wish.split(';').map(str::trim);
            let media = parts.next().unwrap_or_default().to_ascii_lowercase();
            let parameters: Vec<(&str, &str)> = parts.filter_map(|it| it.split_once('=')).collect();
            let of =
                |name: &str| parameters.iter().find(|(it, _)| it.eq_ignore_ascii_case(name)).map(|(_, value)| *value);
            let weight = of("q").map_or(Some(1.0), |q| q.parse().ok()).unwrap_or(0.0);
            let format = Self::ALL.into_iter().find(|format| format.is(&media, of("proto"), of("encoding")));
            // Of those that are wished for alike, the first.
            if let Some(format) = format.filter(|_| weight > best.1) {
                best = (format, weight);
            }
        }
        best.0
    }

    fn is(self, media: &str, proto: Option<&str>, encoding: Option<&str>) -> bool {
        match self {
            Self::Text => matches!(media, "text/plain" | "text/*" | "*/*"),
            Self::OpenMetrics => media == "application/openmetrics-text",
            Self::Protobuf => {
                let is_family = proto == Some("io.prometheus.client.MetricFamily");
                media == "application/vnd.google.protobuf" && is_family && encoding == Some("delimited")
            }
        }
    }

    /// What it is called in an answer.
    #[must_use]
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Text => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Self::Protobuf => {
                "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited"
            }
        }
    }

    /// Writes what is registered.
    ///
    /// # Errors
    /// When something of it cannot be written.
    pub fn write(self, registry: &Registry) -> anyhow::Result<Vec<u8>> {
        if self == Self::Protobuf {
            return prometheus_protobuf::encode_to_vec(registry).context("as messages");
        }
        let mut text = String::new();
        text::encode(&mut text, registry).context("as text")?;
        Ok(if self == Self::Text { plain(&text).into() } else { text.into() })
    }
}

/// The text of OpenMetrics as that of Prometheus, which describes a counter by the name that its series have, knows no
/// units, and just ends.
fn plain(openmetrics: &str) -> String {
    let mut plain = String::with_capacity(openmetrics.len());
    let mut lines = openmetrics.lines().peekable();
    while let Some(line) = lines.next() {
        if line == "# EOF" || line.starts_with("# UNIT ") {
            continue;
        }
        let described = line.strip_prefix("# HELP ").or_else(|| line.strip_prefix("# TYPE "));
        let name = described.and_then(|it| it.split(' ').next());
        // Its help comes before it is said to be a counter.
        let kind = if line.starts_with("# TYPE ") { Some(line) } else { lines.peek().copied() };
        match name.filter(|name| kind.is_some_and(|kind| kind == format!("# TYPE {name} counter"))) {
            Some(name) => plain.push_str(&line.replacen(name, &format!("{name}_total"), 1)),
            None => plain.push_str(line),
        }
        plain.push('\n');
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scraper_gets_what_it_likes_best_of_what_there_is() {
        let of = |accept: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT, accept.parse().unwrap());
            Format::asked_for(&headers)
        };
        assert_eq!(Format::asked_for(&HeaderMap::new()), Format::Text);
        // As Prometheus asks, without native histograms and with them.
        let text = "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,text/plain;version=0.0.4;q=0.2,*/*;q=0.1";
        let messages =
            "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited;q=0.6";
        assert_eq!(of(text), Format::OpenMetrics);
        assert_eq!(of(&format!("{messages},{text}")), Format::Protobuf);
        assert_eq!(of("*/*"), Format::Text);
        assert_eq!(of("text/html, application/json"), Format::Text);
        assert_eq!(of("application/vnd.google.protobuf"), Format::Text, "not those messages");
        assert_eq!(of("text/plain;q=0.1, application/openmetrics-text;q=x"), Format::Text);
    }

    #[test]
    fn counters_are_described_as_they_are_told() {
        let openmetrics = "# HELP a_b Says a_b.\n# TYPE a_b counter\n# UNIT a_b b\na_b_total{x=\"# EOF\"} 1\n\
                           # HELP c Says.\n# TYPE c gauge\nc 1\n# EOF\n";
        let expected = "# HELP a_b_total Says a_b.\n# TYPE a_b_total counter\na_b_total{x=\"# EOF\"} 1\n\
                        # HELP c Says.\n# TYPE c gauge\nc 1\n";
        assert_eq!(plain(openmetrics), expected);
    }
}
