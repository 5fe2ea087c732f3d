//! Whose turn it is among several upstreams, for each function by itself.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use proto::{Function, FunctionSpec};
use url::Url;

/// The turns taken so far, of functions that have several upstreams.
#[derive(Debug, Default)]
pub struct Rotation {
    turns: Mutex<HashMap<Function, usize>>,
}

impl Rotation {
    /// The upstream whose turn it is.
    #[must_use]
    pub fn next<'a>(&self, spec: &'a FunctionSpec) -> Option<&'a Url> {
        if let [only] = spec.upstreams.as_slice() {
            return Some(&only.url);
        }
        let mut turns = self.turns.lock().unwrap_or_else(PoisonError::into_inner);
        let turn = turns.entry(spec.function.clone()).or_default();
        let upstream = spec.upstreams.get(*turn % spec.upstreams.len().max(1));
        *turn = turn.wrapping_add(1);
        upstream.map(|upstream| &upstream.url)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_function_takes_turns_whatever_the_others_do() {
        let rotation = Rotation::default();
        let spec = |name| FunctionSpec::at(&Function::parse(name).unwrap(), "http://a,http://b").unwrap();
        let (f, g) = (spec("f"), spec("g"));
        let mut seen = Vec::new();
        for _ in 0..3 {
            seen.push(rotation.next(&f).unwrap().host_str().unwrap().to_owned());
            rotation.next(&g).unwrap();
        }
        assert_eq!(seen, ["a", "b", "a"]);
    }
}
