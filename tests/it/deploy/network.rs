//! Who reaches whom, and whom a process reaches.

use std::collections::BTreeSet;

use serde_json::Value;

use super::rendered::{Rendered, ways};

/// Policies that are about the pods of a deployment.
fn policies<'a>(rendered: &'a Rendered, deployment: &str) -> Vec<&'a Value> {
    let labels = &rendered.get("Deployment", deployment)["spec"]["template"]["metadata"]["labels"];
    let selects = |policy: &&Value| {
        let wanted = policy["spec"]["podSelector"]["matchLabels"].as_object().unwrap();
        wanted.iter().all(|(name, value)| labels.get(name) == Some(value))
    };
    rendered.of_kind("NetworkPolicy").filter(selects).collect()
}

/// The namespaces from which this port of a deployment's pods is reached, beside their own.
fn namespaces<'a>(rendered: &'a Rendered, deployment: &str, port: &str) -> BTreeSet<&'a str> {
    let rules = policies(rendered, deployment).into_iter().flat_map(|it| it["spec"]["ingress"].as_array().unwrap());
    let rules = rules.filter(|rule| rule["ports"].as_array().unwrap().iter().any(|it| it["port"] == port));
    let peers = rules.flat_map(|rule| rule["from"].as_array().unwrap());
    peers.filter_map(|peer| peer["namespaceSelector"]["matchLabels"]["kubernetes.io/metadata.name"].as_str()).collect()
}

#[test]
fn who_watches_is_let_in_and_nobody_beside_him() {
    let Some(rendered) = Rendered::of(&["groups.yaml"]) else { return };
    assert_eq!(namespaces(&rendered, "gateway", "admin"), BTreeSet::from(["keda", "monitoring"]));
    assert_eq!(namespaces(&rendered, "worker-quick", "admin"), BTreeSet::from(["monitoring"]), "KEDA asks gateways");
    assert_eq!(namespaces(&rendered, "gateway", "http"), BTreeSet::new());

    let Some(rendered) = Rendered::of(&["bundled.yaml"]) else { return };
    assert_eq!(namespaces(&rendered, "gateway", "admin"), BTreeSet::new(), "nobody watches");
    let values = ["bundled.yaml", "worker.scaling.by=keda", "worker.scaling.keySecret.name=keda"];
    let Some(rendered) = Rendered::of(&values) else { return };
    assert_eq!(namespaces(&rendered, "gateway", "admin"), BTreeSet::from(["keda"]));
    assert_eq!(namespaces(&rendered, "worker-all", "admin"), BTreeSet::new());

    let values = ["secure.yaml", "worker.scaling.by=keda", "worker.scaling.keySecret.name=keda"];
    let Some(rendered) = Rendered::of(&values) else { return };
    assert_eq!(namespaces(&rendered, "admin", "admin"), BTreeSet::from(["keda", "monitoring"]), "it is asked there");
    assert_eq!(namespaces(&rendered, "gateway", "admin"), BTreeSet::from(["monitoring"]));
}

#[test]
fn a_rule_names_its_peers() {
    let nobody = ["networkPolicy.prometheus=null", "networkPolicy.keda=null"];
    for way in ways() {
        let name = way.file_name().unwrap().to_str().unwrap();
        for values in [&[name][..], &[name, nobody[0], nobody[1]]] {
            let Some(rendered) = Rendered::of(values) else { return };
            let policies = rendered.of_kind("NetworkPolicy");
            for rule in policies.flat_map(|policy| policy["spec"]["ingress"].as_array().unwrap()) {
                // One without peers lets everybody in.
                assert!(rule["from"].as_array().is_some_and(|it| !it.is_empty()), "{values:?}: {rule}");
            }
        }
    }
    let Some(rendered) = Rendered::of(&["groups.yaml", nobody[0], nobody[1]]) else { return };
    assert_eq!(namespaces(&rendered, "gateway", "admin"), BTreeSet::new());
}

#[test]
fn where_little_is_reached_all_that_options_name_is() {
    let Some(rendered) = Rendered::of(&["secure.yaml"]) else { return };
    for deployment in rendered.deployments() {
        let options = rendered.options(deployment);
        let of = |option: &str| options.lines().find_map(|line| line.strip_prefix(&format!("{option} = ")));
        let policies = policies(&rendered, deployment);
        let [policy] = &*policies else { panic!("{policies:?}") };
        let egress = policy["spec"]["egress"].as_array().unwrap();
        let peers: Vec<&Value> = egress.iter().filter_map(|it| it["to"].as_array()).flatten().collect();

        let collector: http::Uri = of("otlp-endpoint").unwrap().trim_matches('"').parse().unwrap();
        let (_, telemetry) = collector.host().unwrap().split_once('.').unwrap();
        let name = |peer: &Value| peer["namespaceSelector"]["matchLabels"]["kubernetes.io/metadata.name"] == telemetry;
        assert!(peers.iter().any(|peer| name(peer)), "{deployment} does not reach its collector");

        let mut blocks: BTreeSet<&str> = peers.iter().filter_map(|peer| peer["ipBlock"]["cidr"].as_str()).collect();
        let allowed: Vec<String> = serde_json::from_str(of("callback-allow").unwrap_or("[]")).unwrap();
        assert_eq!(allowed.is_empty(), !deployment.starts_with("worker"), "workers call back");
        for network in &allowed {
            assert!(blocks.remove(network.as_str()), "{deployment} does not reach {network}");
        }
        assert!(of("oidc-issuer").is_some() && !blocks.is_empty(), "{deployment} does not reach its OpenID provider");
        let anywhere = egress.iter().filter(|it| it["to"].is_null()).flat_map(|it| it["ports"].as_array().unwrap());
        let anywhere: BTreeSet<u64> = anywhere.map(|it| it["port"].as_u64().unwrap()).collect();
        assert_eq!(anywhere, BTreeSet::from([53, 4222]), "names and NATS, wherever they are");
    }
}
