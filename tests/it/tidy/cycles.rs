//! No two modules of a crate need each other, so each can be read before those that use it. A module may use those that
//! it is in: they are where it belongs.

use std::collections::{BTreeMap, BTreeSet};

use super::{Source, code, sources};

/// A module's place below the root of its crate.
type Module = Vec<String>;
/// What each module uses.
type Uses = BTreeMap<Module, BTreeSet<Module>>;

/// The module that a source of the crate at `root` is; none if it is another's.
fn module(root: &str, source: &Source) -> Option<Module> {
    let path = source.path.strip_prefix(root)?.strip_suffix(".rs")?;
    let is_root = ["lib", "main"].contains(&path);
    Some(if is_root { Module::new() } else { path.split('/').map(Into::into).collect() })
}

/// Every path in a path with braces.
fn paths(path: &str) -> Vec<String> {
    let Some((before, rest)) = path.split_once('{') else { return vec![path.trim().to_owned()] };
    let (mut parts, mut depth) = (vec![String::new()], 0_u32);
    for letter in rest.chars() {
        match letter {
            '}' if depth == 0 => break,
            ',' if depth == 0 => {
                parts.push(String::new());
                continue;
            }
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        parts.last_mut().unwrap().push(letter);
    }
    parts.iter().filter(|part| !part.trim().is_empty()).flat_map(|part| paths(&format!("{before}{part}"))).collect()
}

/// The modules that `of` uses, by its imports.
fn used(of: &Module, source: &Source, all: &BTreeSet<Module>) -> BTreeSet<Module> {
    let code = code(source);
    let imports = code.split(';').filter_map(|statement| statement.rsplit_once("use ").map(|(_, path)| path));
    let of_path = |path: String| {
        let mut parts: Vec<&str> = path.split("::").map(str::trim).collect();
        let mut base = match parts.remove(0) {
            "crate" => Module::new(),
            "self" => of.clone(),
            "super" => of[..of.len().checked_sub(1)?].to_vec(),
            _ => return None,
        };
        while parts.first() == Some(&"super") {
            parts.remove(0);
            base.pop();
        }
        base.extend(parts.into_iter().map(Into::into));
        while !all.contains(&base) {
            base.pop()?;
        }
        Some(base)
    };
    imports.flat_map(paths).filter_map(of_path).filter(|used| !of.starts_with(used)).collect()
}

/// What remains once all are taken away that use none, or that none uses: each use is part of a cycle, or joins two.
fn cycles(mut uses: Uses) -> Vec<String> {
    loop {
        let (users, used): (BTreeSet<Module>, BTreeSet<Module>) =
            (uses.keys().cloned().collect(), uses.values().flatten().cloned().collect());
        let before = uses.values().map(BTreeSet::len).sum::<usize>();
        uses.retain(|user, _| used.contains(user));
        uses.values_mut().for_each(|of| of.retain(|it| users.contains(it)));
        uses.retain(|_, of| !of.is_empty());
        if uses.values().map(BTreeSet::len).sum::<usize>() == before {
            break;
        }
    }
    uses.iter()
        .flat_map(|(user, of)| of.iter().map(|it| format!("{} uses {}", user.join("::"), it.join("::"))))
        .collect()
}

fn cycles_of(root: &str, sources: &[Source]) -> Vec<String> {
    let all: BTreeSet<Module> = sources.iter().filter_map(|source| module(root, source)).collect();
    let of = |source| module(root, source).map(|it| (it.clone(), used(&it, source, &all)));
    cycles(sources.iter().filter_map(of).collect())
}

#[test]
fn no_two_modules_need_each_other() {
    let sources = sources();
    for root in ["proto/src/", "actors/src/", "fabric/src/"] {
        let found = cycles_of(root, &sources);
        assert!(found.is_empty(), "{root}\n{}\n", found.join("\n"));
    }
}

#[test]
fn a_cycle_is_found() {
    let source = |path: &str, text: &str| Source { path: path.into(), text: text.into() };
    let none = [
        source("x/src/lib.rs", "mod a;\nmod b;\npub use self::a::A;"),
        source("x/src/a.rs", "mod c;\nuse crate::b::{B, C};\nuse self::c::D;\nuse std::fmt;"),
        source("x/src/a/c.rs", "use super::A;\nuse super::super::b::B;\n#[cfg(test)]\nmod tests {}"),
        source("x/src/b.rs", "// use crate::a::A;\nfn f() {}\n#[cfg(test)]\nmod tests { use crate::a::A; }"),
        source("y/src/b.rs", "use crate::a::A;"),
    ];
    assert_eq!(cycles_of("x/src/", &none), [""; 0]);
    let mut one = none;
    one[3] = source("x/src/b.rs", "#[cfg(test)]\nmod tests;\nuse crate::{d::E, a::{c::D, A as Other}};\nuse super::a;");
    assert_eq!(cycles_of("x/src/", &one), ["a uses a::c", "a uses b", "a::c uses b", "b uses a", "b uses a::c"]);
}
