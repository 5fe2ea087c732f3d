//! `fabric dev`: everything in one process, with functions to try it on.

use std::time::Duration;

use actors::port::broker::Quotas;
use actors::port::control::Expected;
use anyhow::Context;
use proto::{Function, FunctionSpec};

use crate::boot::{self, Plan, Store};
use crate::cli::{Dev, Upstream};
use crate::demo::Demo;
use crate::invoke::rules::Rules;
use crate::telemetry::Log;
use crate::watchdog::Local;

pub(super) async fn run(args: Dev, log: Log) -> anyhow::Result<()> {
    let demo = Demo::start(std::sync::Arc::new(|line| drop(super::say(line))))
        .await
        .context("the demo functions could not be started")?;
    let plan = Plan {
        store: Store::Embedded(args.data_dir.clone(), Quotas::default()),
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
        serve: boot::serve(&args.work),
        work: (&args.work).into(),
        max_result: crate::cli::MAX_RESULT,
        callbacks: Rules { allow_private: true, ..Rules::default() },
        pre_stop: Duration::ZERO,
        grace: Some(Duration::from_secs(10)),
        metrics_functions: args.metrics.metrics_functions,
        log,
    };
    let running = boot::start(plan).await?;
    let mut names = Vec::new();
    let builtin = demo.functions().into_iter().map(|(name, url)| Ok((Function::parse(name)?, url)));
    let builtin = builtin.collect::<Result<Vec<_>, proto::name::Error>>()?;
    let mut commands = Vec::new();
    let mut functions = builtin;
    for (function, upstream) in args.functions {
        let url = match upstream {
            Upstream::Url(url) => url,
            Upstream::Command(program) => {
                let local = Local::start(function.name(), program)
                    .await
                    .with_context(|| format!("function {function} could not be started"))?;
                let url = local.url().clone();
                commands.push((function.clone(), local));
                url
            }
        };
        functions.push((function, url));
    }
    for (function, url) in functions {
        let spec = FunctionSpec::at(&function, url.as_str())?;
        running
            .control
            .put((&spec).into(), Expected::Whatever)
            .await
            .with_context(|| format!("function {function} could not be registered"))?;
        names.push(function.name().to_owned());
    }
    running.announce(super::say)?;
    if let Some(public) = running.public {
        let (base, callbacks) = (format!("http://{public}"), demo.callback_url());
        let more: String = commands
            .iter()
            .map(|(name, _)| {
                format!("\n  curl -i {base}/async-function/{name} -d 'hello' -H 'X-Callback-Url: {callbacks}'")
            })
            .collect();
        super::say(format_args!(
            "\nfunctions: {names}\ncalls are kept in {dir}\n\nTry, in another terminal:\n\n  \
             curl -i {base}/async-function/echo -d 'hello' -H 'X-Callback-Url: {callbacks}'\n  \
             curl -i {base}/async-function/sleep/2 -X POST -H 'X-Callback-Url: {callbacks}'\n  \
             curl -i {base}/async-function/flaky/2 -X POST -H 'X-Callback-Url: {callbacks}'{more}\n\n\
             Callbacks to {callbacks} are printed here.\n\
             The dashboard is http://{admin}/ui/\n",
            admin = running.admin,
            names = names.join(", "),
            dir = args.data_dir.display(),
        ))?;
    }
    let ended = super::until_the_end(running).await;
    for (_, local) in commands {
        local.close().await;
    }
    ended
}
