//! What is wrong with a specification, field by field.

use std::fmt;

use serde::Serialize;

/// One field that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Fault {
    /// Which, as a JSON Pointer into the specification (RFC 6901).
    pub field: String,
    /// What is wrong with it.
    pub reason: String,
}

impl Fault {
    /// A fault of the field at `pointer`.
    pub fn new(pointer: impl Into<String>, reason: impl fmt::Display) -> Self {
        Self { field: pointer.into(), reason: reason.to_string() }
    }
}

/// Why a specification is not usable: everything that is wrong with it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Faults(Vec<Fault>);

impl Faults {
    /// Each of them.
    #[must_use]
    pub fn all(&self) -> &[Fault] {
        &self.0
    }

    /// One more.
    pub fn add(&mut self, fault: impl Into<Fault>) {
        self.0.push(fault.into());
    }

    /// What could be read; what could not is a fault of the field at `pointer`.
    pub fn take<T, E: fmt::Display>(&mut self, pointer: &str, read: Result<T, E>) -> Option<T> {
        read.map_err(|error| self.add(Fault::new(pointer, error))).ok()
    }

    /// The same of something whose errors say themselves which field it is.
    pub(crate) fn read<T, E: Into<Fault>>(&mut self, read: Result<T, E>) -> Option<T> {
        read.map_err(|error| self.add(error)).ok()
    }

    /// Whether there are any.
    ///
    /// # Errors
    /// These, if there are.
    pub fn check(self) -> Result<(), Self> {
        if self.0.is_empty() { Ok(()) } else { Err(self) }
    }
}

impl From<Fault> for Faults {
    fn from(fault: Fault) -> Self {
        Self(vec![fault])
    }
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let reasons: Vec<&str> = self.0.iter().map(|fault| fault.reason.as_str()).collect();
        f.write_str(&reasons.join("; "))
    }
}

impl std::error::Error for Faults {}
