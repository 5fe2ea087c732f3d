//! Whoever follows a page.

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

use super::page::{Block, Page};
use super::shell::{Printed, Shell};
use super::shown::{begins, is_shown};
use crate::eventually;
use crate::fabric::binary;
use crate::process::Process;

/// What commands begin with that look and change nothing: they are asked again until they show what the page shows.
const LOOKS: [&str; 13] = [
    "curl -s http",
    "curl -s '",
    "curl -i -s http",
    "fabric call get",
    "fabric call list",
    "fabric dead list",
    "fabric function get",
    "fabric function list",
    "fabric queue",
    "fabric top --once",
    "fabric tree",
    "fabric why",
    "fabric worker list",
];

/// Does all that a page says, and fails where what is seen is not what it shows.
pub async fn follow(page: &Page) {
    let mut reader = Reader::new();
    for block in &page.blocks {
        match block {
            Block::Run(commands) => {
                let next = commands.iter().skip(1).map(Some).chain([None]);
                for (command, next) in commands.iter().zip(next) {
                    let may_fail = next.is_some_and(|next| next.line == "echo $?");
                    reader.run(page, command, may_fail).await;
                }
            }
            Block::Stays(command) => reader.stay(page, command).await,
            Block::Says(whose, lines) => reader.hear(page, whose, lines).await,
            Block::File(name, text) => {
                let path = reader.dir.path().join(name);
                std::fs::create_dir_all(path.parent().unwrap()).unwrap();
                std::fs::write(path, reader.ports.here(text)).unwrap();
            }
            Block::Needs(_) => {}
        }
    }
    reader.leave().await;
}

struct Reader {
    ports: Ports,
    /// Ends before the directory goes.
    shell: Shell,
    /// Commands that run on, by how they were typed.
    stay: Vec<(String, Process)>,
    dir: TempDir,
    /// Where the programs are.
    programs: TempDir,
}

impl Reader {
    fn new() -> Self {
        let (dir, programs) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let ports = Ports::default();
        ports.install(programs.path());
        let shell = Shell::start(dir.path(), |command| ports.tell(command, programs.path()));
        Self { ports, shell, stay: Vec::new(), dir, programs }
    }

    async fn run(&mut self, page: &Page, command: &super::page::Command, may_fail: bool) {
        let line = self.ports.here(&command.line);
        let looks = LOOKS.iter().any(|it| command.line.starts_with(it)) && !line.contains(['>', '|', '&']);
        let (shell, ports) = (std::sync::Mutex::new(&mut self.shell), &self.ports);
        let shown = async || {
            let printed = tokio::task::block_in_place(|| shell.lock().unwrap().run(&line));
            let ended =
                |lines: Vec<String>| panic!("{}: $ {}\ndoes not end:\n{}", page.path, command.line, lines.join("\n"));
            let Printed { lines, code } = printed.unwrap_or_else(ended);
            let lines: Vec<String> = lines.iter().map(|line| ports.there(line)).collect();
            if (code == 0 || may_fail) && is_shown(&command.prints, &lines) {
                return Ok(());
            }
            let (line, printed, shown) = (&command.line, lines.join("\n"), command.prints.join("\n"));
            Err(format!("{}: $ {line}\nexit code {code}, printed:\n{printed}\nand not:\n{shown}", page.path))
        };
        if looks {
            eventually(shown).await;
        } else if let Err(wrong) = shown().await {
            panic!("{wrong}");
        }
    }

    async fn stay(&mut self, page: &Page, command: &super::page::Command) {
        let mut bash = Command::new("bash");
        bash.args(["-c", &format!("exec {}", self.ports.here(&command.line))]).current_dir(self.dir.path());
        self.ports.tell(&mut bash, self.programs.path());
        let process = Process::start(&command.line, &mut bash).unwrap();
        self.stay.push((command.line.clone(), process));
        self.until(page, &command.line, |lines| begins(&command.prints, lines), &command.prints).await;
    }

    async fn hear(&mut self, page: &Page, whose: &str, shown: &[String]) {
        let found = |lines: &[String]| (0..=lines.len()).any(|from| begins(shown, &lines[from..]));
        self.until(page, whose, found, shown).await;
    }

    async fn until(&mut self, page: &Page, whose: &str, found: impl Fn(&[String]) -> bool, shown: &[String]) {
        let whose = self.stay.iter_mut().rev().find(|(line, _)| line.starts_with(whose));
        let (line, process) = whose.unwrap_or_else(|| panic!("{}: nobody is there who could say {shown:?}", page.path));
        let (process, ports) = (std::sync::Mutex::new(process), &self.ports);
        eventually(async || {
            let mut process = process.lock().unwrap();
            let runs = process.is_running();
            let lines: Vec<String> = process.lines().iter().map(|line| ports.there(line)).collect();
            if found(&lines) {
                return Ok(());
            }
            let state = if runs { "has printed" } else { "has ended, and printed" };
            Err(format!("{}: {line} {state}:\n{}\nand not:\n{}", page.path, lines.join("\n"), shown.join("\n")))
        })
        .await;
    }

    /// Ends what runs on, newest first, as a reader would: at once.
    async fn leave(mut self) {
        while let Some((_, mut process)) = self.stay.pop() {
            for _ in 0..2 {
                if process.is_running() {
                    process.terminate();
                }
            }
            process.ended().await;
        }
    }
}

/// Which ports of a page are which here.
struct Ports(BTreeMap<u16, u16>);

impl Default for Ports {
    fn default() -> Self {
        let on_pages = [4222, 8080, 8081, 8082, 8083, 8084, 9000, 9001, 9002, 9003];
        // All at once, so that no two are the same.
        let free = on_pages.map(|page| (page, TcpListener::bind("127.0.0.1:0").unwrap()));
        Self(free.iter().map(|(page, here)| (*page, here.local_addr().unwrap().port())).collect())
    }
}

impl Ports {
    /// What a page says, as it is done here.
    fn here(&self, text: &str) -> String {
        self.0.iter().fold(text.to_owned(), |text, (page, here)| text.replace(&format!(":{page}"), &format!(":{here}")))
    }

    /// What is seen here, as the page has it.
    fn there(&self, text: &str) -> String {
        self.0.iter().fold(text.to_owned(), |text, (page, here)| text.replace(&format!(":{here}"), &format!(":{page}")))
    }

    /// Puts the programs where they are found: those that listen where nobody has said otherwise do so here.
    fn install(&self, dir: &Path) {
        symlink(binary(), dir.join("fabric")).unwrap();
        let server = crate::nats::server().unwrap();
        let server = server.get_program().to_string_lossy();
        let text = format!("#!/bin/sh\nexec '{server}' -a 127.0.0.1 -p {} \"$@\"\n", self.0[&4222]);
        let file = dir.join("nats-server");
        std::fs::write(&file, text).unwrap();
        std::fs::set_permissions(file, std::fs::Permissions::from_mode(0o755)).unwrap();
    }

    /// What the page's commands find in their environment.
    fn tell(&self, command: &mut Command, programs: &Path) {
        for (name, _) in std::env::vars_os() {
            let name_text = name.to_string_lossy();
            if name_text.starts_with("FABRIC_") || name_text.starts_with("OTEL_") {
                command.env_remove(&name);
            }
        }
        let path = std::env::var_os("PATH").unwrap_or_default();
        let path = std::env::join_paths([programs.to_owned()].into_iter().chain(std::env::split_paths(&path))).unwrap();
        let at = |port| format!("127.0.0.1:{}", self.0[&port]);
        command
            .env("PATH", path)
            .env("FABRIC_LISTEN", at(8080))
            .env("FABRIC_ADMIN_LISTEN", at(8081))
            .env("FABRIC_METRICS_LISTEN", at(8081))
            .env("FABRIC_GATEWAY", format!("http://{}", at(8080)))
            .env("FABRIC_ADMIN", format!("http://{}", at(8081)));
    }
}
