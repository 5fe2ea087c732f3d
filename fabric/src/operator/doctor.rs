//! What is wrong, and how to mend it.
//!
//! Each check looks at one thing and says what it found; a fault says how it is mended.

pub mod broker;
pub mod clock;
pub mod functions;
pub mod processes;

use serde::Serialize;

/// What a check found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What was looked at.
    pub what: String,
    /// What it is like.
    pub found: String,
    /// How to mend it; nothing, if it is as it should be.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mend: Option<String>,
}

impl Finding {
    /// It is as it should be.
    pub fn good(what: impl Into<String>, found: impl Into<String>) -> Self {
        Self { what: what.into(), found: found.into(), mend: None }
    }

    /// It is not.
    pub fn fault(what: impl Into<String>, found: impl Into<String>, mend: impl Into<String>) -> Self {
        Self { what: what.into(), found: found.into(), mend: Some(mend.into()) }
    }
}

/// A line for each, and one more for how a fault is mended.
#[must_use]
pub fn report(findings: &[Finding]) -> String {
    let width = findings.iter().map(|it| it.what.chars().count()).max().unwrap_or(0);
    let line = |it: &Finding| {
        let sign = if it.mend.is_some() { "FAULT" } else { "ok" };
        let mend = it.mend.as_ref().map(|mend| format!("\n{:width$}         mend: {mend}", "")).unwrap_or_default();
        format!("{sign:<5}  {:<width$}  {}{mend}", it.what, it.found)
    };
    findings.iter().map(line).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_is_told_with_its_mend() {
        let findings = [Finding::good("admin API", "answers"), Finding::fault("broker", "is old", "take a newer one")];
        assert_eq!(
            report(&findings),
            "ok     admin API  answers\nFAULT  broker     is old\n                  mend: take a newer one"
        );
    }
}
