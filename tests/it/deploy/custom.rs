//! Objects that Kubernetes knows by their own controllers only: every field that the chart writes is one of theirs.

use serde_json::{Value, json};

use super::rendered::{Rendered, ways};

/// As much of `keda.sh/v1alpha1` as the chart uses.
fn scaled_object() -> Value {
    json!({
        "type": "object",
        "additionalProperties": false,
        "required": ["scaleTargetRef", "triggers"],
        "properties": {
            "scaleTargetRef": {
                "type": "object",
                "additionalProperties": false,
                "required": ["name"],
                "properties": {"name": {"type": "string"}, "kind": {"type": "string"}, "apiVersion": {"type": "string"}}
            },
            "pollingInterval": {"type": "integer"},
            "cooldownPeriod": {"type": "integer"},
            "minReplicaCount": {"type": "integer"},
            "maxReplicaCount": {"type": "integer"},
            // It holds for triggers whose metric is an AverageValue only, and not with 0 replicas.
            "fallback": {
                "type": "object",
                "additionalProperties": false,
                "required": ["failureThreshold", "replicas"],
                "properties": {
                    "failureThreshold": {"type": "integer", "minimum": 0},
                    "replicas": {"type": "integer", "minimum": 1},
                    "behavior": {"enum": ["static", "currentReplicas", "currentReplicasIfHigher", "currentReplicasIfLower"]}
                }
            },
            "advanced": {
                "type": "object",
                "additionalProperties": false,
                "properties": {
                    "horizontalPodAutoscalerConfig": {
                        "type": "object",
                        "additionalProperties": false,
                        "properties": {
                            "behavior": {
                                "type": "object",
                                "additionalProperties": false,
                                "properties": {
                                    "scaleDown": {
                                        "type": "object",
                                        "additionalProperties": false,
                                        "properties": {"stabilizationWindowSeconds": {"type": "integer", "maximum": 3600}}
                                    }
                                }
                            }
                        }
                    }
                }
            },
            "triggers": {
                "type": "array",
                "minItems": 1,
                "items": {
                    "type": "object",
                    "additionalProperties": false,
                    "required": ["type", "metadata"],
                    "properties": {
                        "type": {"const": "metrics-api"},
                        "metricType": {"const": "AverageValue"},
                        // Of a trigger all values are text, numbers too.
                        "metadata": {
                            "type": "object",
                            "additionalProperties": false,
                            "required": ["url", "valueLocation", "targetValue"],
                            "properties": {
                                "url": {"type": "string", "pattern": "^https?://"},
                                "valueLocation": {"type": "string", "minLength": 1},
                                "targetValue": {"type": "string", "pattern": "^[0-9]+$"},
                                "authMode": {"const": "bearer"}
                            }
                        },
                        "authenticationRef": {
                            "type": "object",
                            "additionalProperties": false,
                            "required": ["name"],
                            "properties": {"name": {"type": "string", "minLength": 1}}
                        }
                    }
                }
            }
        }
    })
}

/// As much of `keda.sh/v1alpha1` as the chart uses to say who KEDA is.
fn trigger_authentication() -> Value {
    json!({
        "type": "object",
        "additionalProperties": false,
        "required": ["secretTargetRef"],
        "properties": {
            "secretTargetRef": {
                "type": "array",
                "minItems": 1,
                "items": {
                    "type": "object",
                    "additionalProperties": false,
                    "required": ["parameter", "name", "key"],
                    "properties": {
                        "parameter": {"const": "token"},
                        "name": {"type": "string", "minLength": 1},
                        "key": {"type": "string", "minLength": 1}
                    }
                }
            }
        }
    })
}

/// As much of `monitoring.coreos.com/v1` as the chart uses.
fn service_monitor() -> Value {
    json!({
        "type": "object",
        "additionalProperties": false,
        "required": ["selector", "endpoints"],
        "properties": {
            "selector": {
                "type": "object",
                "additionalProperties": false,
                "required": ["matchLabels"],
                "properties": {"matchLabels": {"type": "object", "additionalProperties": {"type": "string"}}}
            },
            "endpoints": {
                "type": "array",
                "minItems": 1,
                "items": {
                    "type": "object",
                    "additionalProperties": false,
                    "required": ["port"],
                    "properties": {
                        "port": {"type": "string"},
                        "path": {"type": "string", "pattern": "^/"},
                        "interval": {"type": "string", "pattern": "^([0-9]+h)?([0-9]+m)?([0-9]+s)?$"},
                        "authorization": {
                            "type": "object",
                            "additionalProperties": false,
                            "required": ["credentials"],
                            "properties": {
                                "type": {"const": "Bearer"},
                                "credentials": {
                                    "type": "object",
                                    "additionalProperties": false,
                                    "required": ["name", "key"],
                                    "properties": {
                                        "name": {"type": "string", "minLength": 1},
                                        "key": {"type": "string", "minLength": 1}
                                    }
                                }
                            }
                        }
                    }
                }
            }
        }
    })
}

#[test]
fn controllers_know_every_field() {
    let mut seen = 0;
    for way in ways() {
        let Some(rendered) = Rendered::of(&[way.file_name().unwrap().to_str().unwrap()]) else { return };
        for (kind, version, schema) in [
            ("ScaledObject", "keda.sh/v1alpha1", scaled_object()),
            ("TriggerAuthentication", "keda.sh/v1alpha1", trigger_authentication()),
            ("ServiceMonitor", "monitoring.coreos.com/v1", service_monitor()),
        ] {
            let validator = jsonschema::validator_for(&schema).unwrap();
            for object in rendered.of_kind(kind) {
                let faults: Vec<_> =
                    validator.iter_errors(&object["spec"]).map(|it| format!("{}: {it}", it.instance_path())).collect();
                assert_eq!(faults, [""; 0], "{} {}", way.display(), object["metadata"]["name"]);
                assert_eq!(object["apiVersion"], version);
                seen += 1;
            }
        }
    }
    assert!(seen >= 5, "only {seen} of them were made");
}

#[test]
fn what_they_do_not_know_is_found() {
    let of = |target: Value| {
        let trigger = json!({"url": "http://f", "valueLocation": "workers", "targetValue": target});
        json!({"scaleTargetRef": {"name": "w"}, "triggers": [{"type": "metrics-api", "metadata": trigger}]})
    };
    assert!(jsonschema::is_valid(&scaled_object(), &of(json!("1"))));
    assert!(!jsonschema::is_valid(&scaled_object(), &of(json!(1))), "a target is text");
    let wrong = json!({"selector": {"matchLabels": {}}, "endpoints": [{"port": "admin", "bearer": "x"}]});
    assert!(!jsonschema::is_valid(&service_monitor(), &wrong));
}
