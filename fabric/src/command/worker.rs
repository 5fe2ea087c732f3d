//! `fabric worker`: only run calls.

use crate::boot::{self, Plan};
use crate::cli::Worker;
use crate::listener::Limits;
use crate::telemetry::Log;

pub(super) async fn run(args: Worker, log: Log) -> anyhow::Result<()> {
    if let Some(command) = args.command {
        return super::workers::run(command).await;
    }
    let plan = Plan {
        store: args.broker.try_into()?,
        public: None,
        admin: args.admin_listen,
        authentication: (&args.authentication).try_into()?,
        audit_stream: args.authentication.audit_stream.clone(),
        limits: Limits::default(),
        max_body: 0,
        bodies: 0,
        keep_calls: args.records.keep_calls,
        upstream_template: args.upstreams.template(),
        traces: args.traces.settings()?,
        openfaas: Some(args.openfaas),
        serve: boot::serve(&args.work),
        work: (&args.work).into(),
        max_result: args.callbacks.max_result,
        callbacks: boot::callbacks(&args.callbacks)?,
        pre_stop: args.drain.pre_stop,
        grace: args.drain.grace,
        metrics_functions: args.metrics.metrics_functions,
        log,
    };
    let running = boot::start(plan).await?;
    running.announce(super::say)?;
    super::until_the_end(running).await
}
