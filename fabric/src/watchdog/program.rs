//! The program that is a function: its name and its arguments, and where it is.

use std::env;
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// Why a command cannot be one.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// There is nothing.
    #[error("the command is empty; write the program and its arguments, such as 'wc -c'")]
    Empty,
    /// A quote is not closed.
    #[error("the command {0:?} has a quote that is not closed")]
    Quote(String),
    /// There is no such program.
    #[error("there is no program {0:?} that can be run here; name it by its path, or put it on PATH")]
    Missing(PathBuf),
}

/// A program and its arguments. No shell reads them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Program {
    path: PathBuf,
    arguments: Vec<OsString>,
}

impl Program {
    /// Splits a command into words as a shell does, quotes included; nothing in it is expanded.
    ///
    /// # Errors
    /// [`Error::Empty`] and [`Error::Quote`].
    pub fn parse(text: &str) -> Result<Self, Error> {
        let words = shlex::split(text).ok_or_else(|| Error::Quote(text.to_owned()))?;
        Self::new(words.into_iter().map(OsString::from))
    }

    /// Takes the words as they are.
    ///
    /// # Errors
    /// [`Error::Empty`].
    pub fn new(words: impl IntoIterator<Item = OsString>) -> Result<Self, Error> {
        let mut words = words.into_iter();
        let path = words.next().filter(|word| !word.is_empty()).ok_or(Error::Empty)?;
        Ok(Self { path: path.into(), arguments: words.collect() })
    }

    /// The same with the path at which it is found now, so that each start finds the same program.
    ///
    /// # Errors
    /// [`Error::Missing`].
    pub fn found(self) -> Result<Self, Error> {
        let has_folder = self.path.components().count() > 1;
        let path = match has_folder {
            true => Some(self.path.clone()).filter(|path| can_be_run(path)),
            false => {
                let folders = env::var_os("PATH").unwrap_or_default();
                env::split_paths(&folders).map(|folder| folder.join(&self.path)).find(|path| can_be_run(path))
            }
        };
        match path {
            Some(path) => Ok(Self { path, ..self }),
            None => Err(Error::Missing(self.path)),
        }
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &OsStr {
        self.path.as_os_str()
    }

    /// What it is given.
    #[must_use]
    pub fn arguments(&self) -> &[OsString] {
        &self.arguments
    }
}

impl fmt::Display for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.path.display())?;
        self.arguments.iter().try_for_each(|it| write!(f, " {}", it.display()))
    }
}

fn can_be_run(path: &Path) -> bool {
    path.metadata().is_ok_and(|it| it.is_file() && it.permissions().mode() & 0o111 != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        let Program { path, arguments } = Program::parse(text).unwrap();
        let words = [path.into_os_string()].into_iter().chain(arguments);
        words.map(|word| word.into_string().unwrap()).collect()
    }

    #[test]
    fn words_are_those_of_a_shell_and_nothing_is_expanded() {
        assert_eq!(words("wc -c"), ["wc", "-c"]);
        assert_eq!(words("  node   index.js "), ["node", "index.js"]);
        assert_eq!(words("sh -c 'sleep 1; cat' \"a b\""), ["sh", "-c", "sleep 1; cat", "a b"]);
        assert_eq!(words("echo $HOME * ~"), ["echo", "$HOME", "*", "~"]);
    }

    #[test]
    fn what_is_no_command_is_refused() {
        assert_eq!(Program::parse(" "), Err(Error::Empty));
        assert_eq!(Program::parse("''"), Err(Error::Empty));
        assert_eq!(Program::parse("sh -c 'x"), Err(Error::Quote("sh -c 'x".into())));
        assert_eq!(Program::new([]), Err(Error::Empty));
    }

    #[test]
    fn it_is_found_by_its_path_or_on_path() {
        assert!(Program::parse("sh -c x").unwrap().found().unwrap().path.is_absolute());
        assert_eq!(Program::parse("/bin/sh").unwrap().found().unwrap().path, Path::new("/bin/sh"));
        for missing in ["no-such-program", "./no-such-program", "/etc/passwd", "/etc"] {
            let refused = Program::parse(missing).unwrap().found().unwrap_err();
            assert_eq!(refused, Error::Missing(missing.into()));
        }
    }
}
