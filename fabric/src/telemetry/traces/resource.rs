//! What the process says of itself with its spans.

use opentelemetry::{Key, KeyValue};
use opentelemetry_sdk::Resource;

/// What OpenTelemetry's variables say of the process `id`, and where they say nothing what it is.
pub(super) fn of(id: &str) -> Resource {
    completed(&Resource::builder().build(), id)
}

fn completed(told: &Resource, id: &str) -> Resource {
    let ours =
        [("service.name", "fabric"), ("service.version", env!("CARGO_PKG_VERSION")), ("service.instance.id", id)];
    // What is said in one place counts before what is made up in another.
    let is_made_up = |key: &str, value: &opentelemetry::Value| {
        key == "service.name" && value.as_str().starts_with("unknown_service")
    };
    let kept = told.iter().filter(|(key, value)| !is_made_up(key.as_str(), value));
    let missing = ours
        .into_iter()
        .filter(|(key, _)| told.get_ref(&Key::from_static_str(key)).is_none_or(|value| is_made_up(key, value)));
    Resource::builder_empty()
        .with_attributes(kept.map(|(key, value)| KeyValue::new(key.clone(), value.clone())))
        .with_attributes(missing.map(|(key, value)| KeyValue::new(key, value.to_owned())))
        .build()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_of_a_process_is_kept() {
        let told = |said: &[(&'static str, &'static str)]| {
            let said = said.iter().map(|(key, value)| KeyValue::new(*key, *value));
            let completed = completed(&Resource::builder_empty().with_attributes(said).build(), "p1");
            let value = |key| completed.get(&Key::from_static_str(key)).map(|value| value.to_string());
            (value("service.name"), value("service.instance.id"), value("deployment.environment.name"))
        };
        let text = |text: &str| Some(text.to_owned());
        assert_eq!(told(&[]), (text("fabric"), text("p1"), None));
        assert_eq!(told(&[("service.name", "unknown_service:fabric")]), (text("fabric"), text("p1"), None));
        let said =
            [("service.name", "orders"), ("service.instance.id", "pod-7"), ("deployment.environment.name", "prod")];
        assert_eq!(told(&said), (text("orders"), text("pod-7"), text("prod")));
    }
}
