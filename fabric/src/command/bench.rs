//! `fabric bench`: measures, and says what came of it.

use anyhow::{Context, bail};

use crate::bench::{self, Plan};
use crate::cli::{Bench, BenchLoop};

pub(super) async fn run(args: Bench) -> anyhow::Result<()> {
    if let Some(unknown) = args.only.iter().find(|name| !bench::names().any(|known| known == name.as_str())) {
        let known: Vec<_> = bench::names().collect();
        bail!("there is no measurement {unknown:?}; there are {}", known.join(", "));
    }
    let Bench { broker, access, data_dir, rounds, calls, rate, only, json, plots } = args;
    let broker = broker.map(|url| anyhow::Ok((access.to(&url)?, url))).transpose()?;
    let plan = Plan { broker, data_dir, rounds, calls, rate, only };
    let results = bench::run(&plan, super::tell).await?;
    if let Some(path) = json {
        let text = serde_json::to_string_pretty(&results)?;
        std::fs::write(&path, text + "\n").with_context(|| format!("{} cannot be written", path.display()))?;
    }
    if let Some(dir) = plots {
        bench::plot(&results, &dir)?;
    }
    super::say(bench::table(&results))
}

/// The loop that it is compared with.
pub(super) async fn run_loop(args: BenchLoop) -> anyhow::Result<()> {
    let access = args.access.to(&args.broker)?;
    bench::bare::run_loop((&args.broker, &access), &args.stream, &args.target, args.concurrency, super::say).await
}

/// The server that it is compared with.
pub(super) async fn run_server() -> anyhow::Result<()> {
    bench::bare::run_server(super::say).await
}
