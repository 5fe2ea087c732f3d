//! `fabric doctor`: what is wrong, and how to mend it.

use anyhow::bail;
use serde_json::json;

use super::terminal;
use crate::cli::Doctor;
use crate::operator::api::Api;
use crate::operator::doctor::{Finding, broker, functions, processes, report};
use crate::operator::site::{Error, Site};

pub(super) async fn run(args: Doctor) -> anyhow::Result<()> {
    let (api, site) = (
        Api::new(&args.reach.admin, args.reach.key.as_deref())?,
        Site::new(&args.public.gateway, "--gateway", args.reach.key.as_deref())?,
    );
    let mut findings = Vec::new();
    if let Some(url) = &args.broker {
        findings.extend(broker::check(url, args.access.to(url)?, &args.prefix).await);
    }
    let (admin, answers) = processes::admin(&api).await;
    findings.extend(admin);
    findings.push(processes::gateway(&site).await);
    if answers {
        findings.extend(told("processes", processes::trees(&api).await));
        findings.extend(told("queues", processes::queues(&api).await));
        findings.extend(told("functions", functions::check(&api).await));
    }
    terminal::answer(args.reach.output, &json!(findings), |_| report(&findings))?;
    match findings.iter().filter(|it| it.mend.is_some()).count() {
        0 => Ok(()),
        1 => bail!("1 fault was found"),
        count => bail!("{count} faults were found"),
    }
}

/// What a check found; that it could not be made is a fault as well.
fn told(what: &str, found: Result<Vec<Finding>, Error>) -> Vec<Finding> {
    let mend = "see what the process logs; --broker checks its broker here";
    found.unwrap_or_else(|error| vec![Finding::fault(what, error.to_string(), mend)])
}
