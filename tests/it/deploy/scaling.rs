//! How many workers there are: who asks whom, for which queues, and what he does without an answer.

use serde_json::json;

use super::deploy;
use super::rendered::{Rendered, refusals};
use crate::metrics::queries::faults;

#[test]
fn keda_asks_operators_service_for_the_queues_of_the_group() {
    let Some(rendered) = Rendered::of(&["groups.yaml"]) else { return };
    let spec = &rendered.get("ScaledObject", "worker-quick")["spec"];
    assert_eq!(spec["scaleTargetRef"]["name"], rendered.get("Deployment", "worker-quick")["metadata"]["name"]);
    let service = rendered.get("Service", "admin");
    let (name, port) = (service["metadata"]["name"].as_str().unwrap(), &service["spec"]["ports"][0]["port"]);
    let trigger = &spec["triggers"][0];
    let path = "/admin/v1/scale/workers?queues=default,callbacks";
    assert_eq!(trigger["metadata"]["url"], format!("http://{name}.fabric.svc:{port}{path}"));
    // So many as Fabric says: KEDA wants the value by the target.
    assert_eq!(trigger["metadata"]["valueLocation"], "workers");
    assert_eq!((&trigger["metadata"]["targetValue"], &trigger["metricType"]), (&json!("1"), &json!("AverageValue")));
    assert_eq!((&spec["minReplicaCount"], &spec["maxReplicaCount"]), (&json!(0), &json!(20)));
}

#[test]
fn groups_that_the_page_shows_are_scaled() {
    let page = std::fs::read_to_string(deploy("../docs/how-to/autoscaling.md")).unwrap();
    let block = page.split("```yaml\n").skip(1).find(|it| it.starts_with("worker:\n")).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let values = dir.path().join("values.yaml");
    std::fs::write(&values, block.split("```").next().unwrap()).unwrap();
    let Some(rendered) = Rendered::of(&["bundled.yaml", values.to_str().unwrap()]) else { return };
    for (group, asked, max) in [("worker-quick", "default,callbacks", 20), ("worker-slow", "slow", 8)] {
        let spec = &rendered.get("ScaledObject", group)["spec"];
        let url = spec["triggers"][0]["metadata"]["url"].as_str().unwrap();
        assert!(url.ends_with(&format!("?queues={asked}")), "{url}");
        assert_eq!((&spec["minReplicaCount"], &spec["maxReplicaCount"]), (&json!(0), &json!(max)));
    }
}

#[test]
fn keda_shows_a_key_out_of_a_secret() {
    let Some(rendered) = Rendered::of(&["groups.yaml"]) else { return };
    let trigger = &rendered.get("ScaledObject", "worker-quick")["spec"]["triggers"][0];
    assert_eq!(trigger["metadata"]["authMode"], "bearer");
    let who = rendered.get("TriggerAuthentication", "worker-quick");
    assert_eq!(trigger["authenticationRef"]["name"], who["metadata"]["name"]);
    let secret = json!([{"parameter": "token", "name": "fabric-keda", "key": "key"}]);
    assert_eq!(who["spec"]["secretTargetRef"], secret);

    let Some(open) = Rendered::of(&["open.yaml", "worker.scaling.by=keda"]) else { return };
    let trigger = &open.get("ScaledObject", "worker-all")["spec"]["triggers"][0];
    assert_eq!(open.of_kind("TriggerAuthentication").count() + usize::from(!trigger["authenticationRef"].is_null()), 0);
    let url = trigger["metadata"]["url"].as_str().unwrap();
    assert!(url.ends_with("/scale/workers"), "a group of no queues serves all of them: {url}");
}

#[test]
fn without_an_answer_there_are_as_many_as_before() {
    for (replicas, number) in [("3", 3), ("0", 1)] {
        let replicas = format!("worker.replicas={replicas}");
        let Some(rendered) = Rendered::of(&["groups.yaml", &replicas]) else { return };
        let fallback = &rendered.get("ScaledObject", "worker-quick")["spec"]["fallback"];
        assert_eq!(fallback["behavior"], "currentReplicas");
        assert_eq!(fallback["replicas"], number, "what an older KEDA goes by, of which 0 means never");
    }
}

#[test]
fn an_external_metric_is_of_the_queues_of_the_group() {
    let of = |values: &[&str]| {
        let rendered = Rendered::of(values)?;
        let spec = rendered.get("HorizontalPodAutoscaler", "worker-slow")["spec"].clone();
        assert_eq!((&spec["minReplicas"], &spec["maxReplicas"]), (&json!(2), &json!(8)));
        Some(spec["metrics"][1]["external"].clone())
    };
    let Some(external) = of(&["groups.yaml"]) else { return };
    assert_eq!(faults(external["metric"]["name"].as_str().unwrap()), [""; 0]);
    assert_eq!(external["target"], json!({"type": "AverageValue", "averageValue": "64"}));
    let queue = json!([{"key": "queue", "operator": "In", "values": ["slow"]}]);
    let labels = json!({"namespace": "fabric", "job": "here-fabric-metrics"});
    assert_eq!(external["metric"]["selector"], json!({"matchLabels": labels, "matchExpressions": queue}));
    let Some(external) = of(&["groups.yaml", "worker.scaling.metric.labels.of=fabric"]) else { return };
    assert_eq!(external["metric"]["selector"], json!({"matchLabels": {"of": "fabric"}}));
}

#[test]
fn what_cannot_scale_is_refused() {
    const KEDA: &[&str] = &["groups.yaml", "worker.scaling.keySecret.name="];
    refusals(&[
        (KEDA, "workers.quick: scaling.keySecret.name"),
        (&["groups.yaml", "worker.scaling.max=0"], "max"),
        (&["groups.yaml", "worker.scaling.min=21"], "workers.quick: scaling.min is more than scaling.max"),
        (&["groups.yaml", "workers.slow.scaling.min=9"], "workers.slow: scaling.min is more than scaling.max"),
        (&["groups.yaml", "workers.slow.scaling.min=0"], "workers.slow: scaling.min is at least 1"),
        (&["groups.yaml", "worker.scaling.min=-1"], "min"),
        (&["groups.yaml", "worker.scaling.prometheus=http://prometheus"], "prometheus"),
        (&["groups.yaml", "workers.quick.queues={a b}"], "queues"),
    ]);
}
