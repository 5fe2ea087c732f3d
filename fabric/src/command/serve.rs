//! `fabric serve`: gateway and worker in one process.

use crate::boot::{self, Plan};
use crate::cli::Serve;
use crate::telemetry::Log;

pub(super) async fn run(args: Serve, log: Log) -> anyhow::Result<()> {
    let plan = Plan {
        store: args.broker.try_into()?,
        public: Some(args.listen.listen),
        admin: args.listen.admin_listen,
        authentication: (&args.authentication).try_into()?,
        audit_stream: args.authentication.audit_stream.clone(),
        limits: args.listen.limits(),
        max_body: args.listen.max_body,
        bodies: args.listen.bodies()?,
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
