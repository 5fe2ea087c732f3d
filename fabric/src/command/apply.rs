//! `fabric apply`: what a file says becomes what is set.

use anyhow::{Context, bail};

use crate::apply::{self, Plan, file};
use crate::cli::{Apply, Output};
use crate::operator::api::Api;

pub(super) async fn run(args: Apply) -> anyhow::Result<()> {
    let mut wanted = Vec::new();
    for path in &args.files {
        let text = std::fs::read_to_string(path).with_context(|| format!("{} cannot be read", path.display()))?;
        wanted.extend(file::read(path, &text)?);
    }
    let api = Api::new(&args.reach.admin, args.reach.key.as_deref())?;
    let plan = Plan::of(&api, file::merge(wanted)?).await?;
    let is_told = matches!(args.reach.output, Output::Table);
    if is_told {
        plan.steps.iter().try_for_each(super::say)?;
    } else {
        super::say(format_args!("{:#}", plan.json()))?;
    }
    if args.dry_run {
        return if is_told { super::say(format_args!("{} (nothing was done)", plan.count())) } else { Ok(()) };
    }
    let mut failed = 0;
    for step in plan.steps.iter().filter(|step| step.changes()) {
        if let Err(error) = apply::take(&api, step).await {
            failed += 1;
            super::tell(format_args!("fabric: {error}"))?;
        }
    }
    if failed > 0 {
        bail!("{failed} of {} were not changed", plan.steps.iter().filter(|step| step.changes()).count());
    }
    if is_told { super::say(plan.count()) } else { Ok(()) }
}
