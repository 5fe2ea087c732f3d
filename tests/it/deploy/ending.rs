//! How a pod ends: it is given the time that its process takes, and watched meanwhile.

use std::time::Duration;

use serde_json::Value;

use super::deploy;
use super::rendered::{Rendered, refusals, ways};

#[test]
fn a_pod_is_given_as_long_as_its_longest_call() {
    let Some(rendered) = Rendered::of(&["groups.yaml"]) else { return };
    let patience = |name: &str| {
        rendered.get("Deployment", name)["spec"]["template"]["spec"]["terminationGracePeriodSeconds"].as_u64().unwrap()
    };
    assert_eq!(patience("worker-slow"), 5 + 9_000 + 15);
    assert_eq!(patience("worker-quick"), 5 + 600 + 15);
    assert_eq!(patience("gateway"), 5 + 30 + 10);
    assert!(rendered.options("worker-slow").contains("\ngrace = \"2h30m\"\n"));
}

#[test]
fn nobody_says_by_another_way_how_long_it_takes() {
    let why = "terminationGracePeriodSeconds";
    refusals(&[
        (&["bundled.yaml", "config.grace=1h"], why),
        (&["bundled.yaml", "worker.config.grace=1h"], "worker.longestCall"),
        (&["bundled.yaml", "gateway.config.pre-stop=1m"], "config.pre-stop"),
        (&["groups.yaml", "worker.env[0].name=FABRIC_CONFIG", "worker.env[0].value=/x"], "FABRIC_CONFIG"),
        (&["groups.yaml", "gateway.env[0].name=FABRIC_LISTEN", "gateway.env[0].value=:80"], "FABRIC_LISTEN"),
        (&["groups.yaml", "workers.slow.env[0].name=FABRIC_GRACE", "workers.slow.env[0].value=3h"], why),
        (&["bundled.yaml", "worker.env[0].name=FABRIC_PRE_STOP", "worker.env[0].value=1m"], why),
        (&["bundled.yaml", "gateway.env[0].name=FABRIC_GRACE", "gateway.env[0].value=1m"], "gateway.grace"),
        (&["secure.yaml", "adminGateway.env[0].name=FABRIC_GRACE", "adminGateway.env[0].value=1m"], "FABRIC_GRACE"),
    ]);
}

#[test]
fn whoever_drains_is_still_scraped() {
    let mut seen = 0;
    for way in ways() {
        let Some(rendered) = Rendered::of(&[way.file_name().unwrap().to_str().unwrap()]) else { return };
        for _ in rendered.of_kind("ServiceMonitor") {
            assert_eq!(rendered.get("Service", "metrics")["spec"]["publishNotReadyAddresses"], true);
            seen += 1;
        }
    }
    assert!(seen >= 2, "only {seen} were made");
}

#[test]
fn a_drain_that_hangs_is_told_of_while_there_is_time() {
    let Some(rendered) = Rendered::of(&["bundled.yaml"]) else { return };
    let options = rendered.options("worker-all");
    let grace = options.lines().find_map(|line| line.strip_prefix("grace = ")).unwrap().trim_matches('"');
    let grace = humantime::parse_duration(grace).unwrap();
    let rules: Value =
        serde_saphyr::from_str(&std::fs::read_to_string(deploy("prometheus/alerts.yml")).unwrap()).unwrap();
    let rule = rules["groups"][0]["rules"].as_array().unwrap().iter().find(|it| it["alert"] == "FabricDrainHangs");
    let waits = humantime::parse_duration(rule.unwrap()["for"].as_str().unwrap()).unwrap();
    // Until it is scraped, evaluated and told to somebody who does something about it.
    let left = grace.saturating_sub(waits);
    assert!(left >= Duration::from_secs(180), "{left:?} are left of {grace:?}");
}
