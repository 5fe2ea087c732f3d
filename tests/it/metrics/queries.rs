//! Which metrics and labels an expression of PromQL uses: as much of the language as that takes.

use std::collections::BTreeSet;

use super::scrape::metric;

/// What follows one of these in parentheses is a list of labels.
const LISTS: [&str; 6] = ["by", "without", "on", "ignoring", "group_left", "group_right"];
const WORDS: [&str; 6] = ["and", "or", "unless", "bool", "offset", "atan2"];
/// What Prometheus adds to every series, in Kubernetes too, and to those of histograms.
const ANYWHERE: [&str; 4] = ["instance", "job", "namespace", "le"];

/// What an expression uses that is not there; nothing if it is all there.
pub(crate) fn faults(expression: &str) -> Vec<String> {
    let (mut faults, mut grouped, mut known) = (Vec::new(), Vec::new(), BTreeSet::from(ANYWHERE));
    let mut rest = expression;
    let mut metrics = 0;
    while let Some(first) = rest.chars().next() {
        if first == '"' {
            rest = after_text(rest);
        } else if first == '[' {
            rest = rest.split_once(']').map_or("", |(_, rest)| rest);
        } else if first.is_ascii_alphabetic() || first == '_' {
            let (name, behind) = word(rest);
            rest = behind;
            let opens = rest.trim_start().starts_with('(');
            let aggregates = matches!(word(rest.trim_start()).0, "by" | "without");
            if LISTS.contains(&name) && opens {
                let (list, behind) = rest.trim_start()[1..].split_once(')').unwrap();
                grouped.extend(list.split(',').map(str::trim).filter(|it| !it.is_empty()));
                rest = behind;
            } else if !opens && !aggregates && !WORDS.contains(&name) && !LISTS.contains(&name) {
                metrics += 1;
                match metric(name) {
                    None => faults.push(format!("{name} is no metric")),
                    Some(found) => {
                        known.extend(found.labels);
                        let labels = matched(&mut rest);
                        let strange = labels.iter().filter(|it| !found.labels.contains(it) && !ANYWHERE.contains(it));
                        faults.extend(strange.map(|label| format!("{name} has no label {label}")));
                    }
                }
            }
        } else if first.is_ascii_digit() {
            // A number, with the unit that a duration has.
            rest = rest.trim_start_matches(|it: char| it.is_ascii_alphanumeric() || it == '.');
        } else {
            rest = &rest[first.len_utf8()..];
        }
    }
    let strange = grouped.iter().filter(|label| !known.contains(*label));
    faults.extend(strange.map(|label| format!("nothing in it has a label {label}")));
    if metrics == 0 {
        faults.push("it uses no metric".into());
    }
    faults
}

fn word(text: &str) -> (&str, &str) {
    text.split_at(text.find(|it: char| !it.is_ascii_alphanumeric() && it != '_').unwrap_or(text.len()))
}

fn after_text(text: &str) -> &str {
    let mut escaped = false;
    for (at, letter) in text.char_indices().skip(1) {
        match letter {
            '"' if !escaped => return &text[at + 1..],
            letter => escaped = letter == '\\' && !escaped,
        }
    }
    ""
}

/// The labels in the braces that come next, if any do.
fn matched<'a>(rest: &mut &'a str) -> Vec<&'a str> {
    let mut labels = Vec::new();
    let Some(mut inside) = rest.strip_prefix('{') else { return labels };
    loop {
        inside = inside.trim_start_matches([',', ' ']);
        let (name, behind) = word(inside);
        if name.is_empty() {
            *rest = inside.strip_prefix('}').unwrap_or(inside);
            return labels;
        }
        labels.push(name);
        inside = after_text(behind.trim_start_matches(['=', '!', '~', ' ']));
    }
}

#[test]
fn what_is_not_there_is_found() {
    for good in [
        "sum by (queue, function) (rate(fabric_ended_total{queue!=\"a}b\", state=\"dead\"}[5m])) > 0.5",
        "histogram_quantile(0.99, sum by (le) (rate(fabric_wait_seconds_bucket{function=~\"$function\"}[$__rate_interval])))",
        "fabric_in_flight / on (instance) group_left () fabric_permits and fabric_ready == bool 1 offset 5m",
        "max(process_start_time_seconds{job=\"x\"})",
    ] {
        assert_eq!(faults(good), [""; 0], "{good}");
    }
    for (bad, fault) in [
        ("fabric_end_total", "fabric_end_total is no metric"),
        ("sum(fabric_in_flight_bucket)", "fabric_in_flight_bucket is no metric"),
        ("fabric_ended_total{state=\"dead\", reason=\"x\"}", "fabric_ended_total has no label reason"),
        ("sum by (funktion) (fabric_in_flight)", "nothing in it has a label funktion"),
        ("vector(1)", "it uses no metric"),
    ] {
        assert_eq!(faults(bad), [fault]);
    }
}
