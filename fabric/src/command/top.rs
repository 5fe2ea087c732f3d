//! `fabric top`: what functions do, again and again.

use std::io::{IsTerminal, Write, stdout};

use anyhow::Context;
use crossterm::cursor::{Hide, MoveTo, Show};
use crossterm::style::Print;
use crossterm::terminal::{Clear, ClearType, EnterAlternateScreen, LeaveAlternateScreen, size};
use crossterm::{QueueableCommand, execute};
use serde_json::{Value, json};
use tokio::time::{MissedTickBehavior, interval};

use super::{terminal, tree};
use crate::activity::of;
use crate::cli::{Output, Top};
use crate::operator::activity;
use crate::operator::api::Api;

pub(super) async fn run(args: Top) -> anyhow::Result<()> {
    let api = Api::new(&args.reach.admin, args.reach.key.as_deref())?;
    if args.once || !stdout().is_terminal() || matches!(args.reach.output, Output::Json) {
        return once(&api, args.reach.output).await;
    }
    // What is wrong with the place is said where it can be read.
    look(&api).await?;
    execute!(stdout(), EnterAlternateScreen, Hide).context("the terminal cannot be drawn on")?;
    let watched = watch(&api, &args).await;
    execute!(stdout(), Show, LeaveAlternateScreen).context("the terminal cannot be given back")?;
    watched
}

async fn once(api: &Api, output: Output) -> anyhow::Result<()> {
    let (_, processes) = tree::all(api).await?;
    let all = of(&processes);
    terminal::answer(output, &json!(all), |_| activity::table(&all))
}

async fn watch(api: &Api, args: &Top) -> anyhow::Result<()> {
    let mut ticks = interval(args.every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            ended = tokio::signal::ctrl_c() => return ended.context("signals cannot be listened for"),
        }
        // Whoever is away may come back: that is what is shown meanwhile.
        let text = look(api).await.unwrap_or_else(|error| error.to_string());
        draw(&text).context("the terminal cannot be drawn on")?;
    }
}

async fn look(api: &Api) -> anyhow::Result<String> {
    let (_, processes) = tree::all(api).await?;
    let dead = api.get("/dead-letters?limit=1").await?.get("count").and_then(Value::as_u64);
    let (summary, table) = (activity::summary(&processes, dead), activity::table(&of(&processes)));
    Ok(format!("{summary} (Ctrl-C ends)\n\n{table}"))
}

/// As much of it as there is room for.
fn draw(text: &str) -> std::io::Result<()> {
    let (columns, rows) = size()?;
    let mut out = stdout().lock();
    out.queue(Clear(ClearType::All))?;
    for (row, line) in (0..rows).zip(text.lines()) {
        let line: String = line.chars().take(columns.into()).collect();
        out.queue(MoveTo(0, row))?.queue(Print(line))?;
    }
    out.flush()
}
