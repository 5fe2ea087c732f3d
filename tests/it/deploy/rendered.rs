//! What Helm makes of the chart and a file of values.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;
use tests::tool::{named, says_yes};

use super::deploy;

/// The oldest version of Kubernetes that the chart is for, and one that is newer than most.
pub(super) const KUBERNETES: [&str; 2] = ["1.27.0", "1.37.0"];

/// Objects by kind and name.
pub(super) struct Rendered(BTreeMap<(String, String), Value>);

/// The files of values that the chart is tried with.
pub(super) fn ways() -> Vec<PathBuf> {
    let mut ways: Vec<_> =
        std::fs::read_dir(deploy("helm/fabric/ci")).unwrap().map(|file| file.unwrap().path()).collect();
    ways.sort();
    assert!(ways.len() >= 4, "{ways:?}");
    ways
}

/// `helm template` of the chart, as a release called `here` in the namespace `fabric`.
pub(super) fn template(version: &str, values: &[&str]) -> Option<Command> {
    let mut helm = named("HELM")?;
    helm.args(["template", "here", "--namespace", "fabric", "--kube-version", version]).arg(deploy("helm/fabric"));
    for value in values {
        match value.split_once('=') {
            Some(_) => helm.args(["--set", value]),
            None => helm.arg("--values").arg(deploy("helm/fabric/ci").join(value)),
        };
    }
    Some(helm)
}

/// Values of which the chart makes nothing, and what it says why.
pub(super) fn refusals(cases: &[(&[&str], &str)]) {
    for (values, why) in cases {
        let Some(mut helm) = template(KUBERNETES[1], values) else { return };
        let told = helm.output().unwrap();
        let stderr = String::from_utf8_lossy(&told.stderr);
        assert!(!told.status.success() && stderr.contains(why), "{values:?}: {stderr}");
    }
}

impl Rendered {
    /// Of files in `ci/`, and of `NAME=VALUE`.
    pub(super) fn of(values: &[&str]) -> Option<Self> {
        let text = says_yes(&mut template(KUBERNETES[1], values)?);
        let mut objects = BTreeMap::new();
        for object in serde_saphyr::from_multiple::<Value>(&text).unwrap().into_iter().filter(|it| !it.is_null()) {
            let word = |it: &Value| it.as_str().unwrap().to_owned();
            let key = (word(&object["kind"]), word(&object["metadata"]["name"]));
            assert!(objects.insert(key.clone(), object).is_none(), "{key:?} is there twice");
        }
        Some(Self(objects))
    }

    /// The one of this kind whose name is the release's and this.
    pub(super) fn get(&self, kind: &str, name: &str) -> &Value {
        let name = if name.is_empty() { "here-fabric".to_owned() } else { format!("here-fabric-{name}") };
        self.0.get(&(kind.to_owned(), name.clone())).unwrap_or_else(|| panic!("there is no {kind} {name}"))
    }

    pub(super) fn of_kind(&self, kind: &str) -> impl Iterator<Item = &Value> {
        self.0.iter().filter(move |((it, _), _)| it == kind).map(|(_, object)| object)
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &Value> {
        self.0.values()
    }

    /// Names of deployments, without the release's.
    pub(super) fn deployments(&self) -> Vec<&str> {
        let names = self.of_kind("Deployment").map(|it| it["metadata"]["name"].as_str().unwrap());
        names.map(|name| name.strip_prefix("here-fabric-").unwrap()).collect()
    }

    /// The one container of a deployment.
    pub(super) fn container(&self, name: &str) -> &Value {
        &self.get("Deployment", name)["spec"]["template"]["spec"]["containers"][0]
    }

    /// The options of a deployment's process: the text of its file.
    pub(super) fn options(&self, name: &str) -> &str {
        let variables = self.container(name)["env"].as_array().unwrap();
        let file = variables.iter().find(|it| it["name"] == "FABRIC_CONFIG").unwrap()["value"].as_str().unwrap();
        let file = file.strip_prefix("/etc/fabric/").unwrap();
        let volumes = &self.get("Deployment", name)["spec"]["template"]["spec"]["volumes"];
        assert_eq!(volumes[0]["configMap"]["items"][0]["path"], file, "{name} has its file");
        self.get("ConfigMap", "")["data"][file].as_str().unwrap()
    }
}
