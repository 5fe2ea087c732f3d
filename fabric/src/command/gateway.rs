//! `fabric gateway`: only accept calls.

use actors::membership::Serves;

use crate::boot::{self, Plan};
use crate::cli::Gateway;
use crate::invoke::rules::Rules;
use crate::telemetry::Log;

pub(super) async fn run(args: Gateway, log: Log) -> anyhow::Result<()> {
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
        openfaas: None,
        serve: Serves::Nothing,
        work: boot::Work::default(),
        max_result: crate::cli::MAX_RESULT,
        callbacks: Rules::default(),
        pre_stop: args.drain.pre_stop,
        grace: args.drain.grace,
        metrics_functions: args.metrics.metrics_functions,
        log,
    };
    let running = boot::start(plan).await?;
    running.announce(super::say)?;
    super::until_the_end(running).await
}
