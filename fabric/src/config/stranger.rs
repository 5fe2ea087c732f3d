//! Variables that no option reads (pure): slips, and those of other programs.

use std::collections::BTreeSet;

use clap::Command;

use super::nearest::{SLIP, nearest};
use super::{Variables, known, openfaas};

/// A variable that no option reads: a slip, or another program's.
#[derive(Debug, PartialEq, Eq)]
pub struct Stranger {
    /// Its name.
    pub name: String,
    /// The variable that has nearly the same name.
    pub meant: Option<String>,
}

/// The variables that no option of any command reads.
pub(super) fn strangers(root: &Command, variables: &Variables) -> Vec<Stranger> {
    let known: BTreeSet<_> = known::variables(root).into_values().collect();
    // What all of them begin with would make them all alike.
    let own = |name: &str| name.strip_prefix(known::PREFIX).unwrap_or_default().to_owned();
    let names: Vec<_> = known.iter().map(|name| own(name)).collect();
    let stranger = |name: &String| {
        let meant = nearest(&own(name), names.iter().map(String::as_str), SLIP);
        Stranger { name: name.clone(), meant: meant.map(|meant| format!("{}{meant}", known::PREFIX)) }
    };
    variables.keys().filter(|name| !known.contains(*name) && !openfaas::knows(name)).map(stranger).collect()
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;
    use crate::cli::Cli;

    /// What was meant by a variable, if it is strange.
    fn meant(name: &str) -> Vec<Option<String>> {
        let variables = Variables::from([(name.to_owned(), "x".into())]);
        strangers(&Cli::command(), &variables).into_iter().map(|it| it.meant).collect()
    }

    #[test]
    fn what_an_option_of_any_command_reads_is_not_strange() {
        for name in ["FABRIC_LEASE", "FABRIC_MAX_BODY", "FABRIC_CONFIG", "FABRIC_LOG", "FABRIC_ROUNDS"] {
            assert_eq!(meant(name), [], "{name}");
        }
    }

    #[test]
    fn a_slip_is_noticed() {
        for (name, variable) in [
            ("FABRIC_LEESE", "FABRIC_LEASE"),
            ("FABRIC_MAX_IN_FLIGHT", "FABRIC_MAX_INFLIGHT"),
            ("FABRIC_BROKR", "FABRIC_BROKER"),
            ("FABRIC_DATADIR", "FABRIC_DATA_DIR"),
        ] {
            assert_eq!(meant(name), [Some(variable.into())], "{name}");
        }
    }

    #[test]
    fn other_programs_are_let_be() {
        // What Kubernetes sets where services are called fabric, fabric-worker and fabric-queue.
        for name in [
            "FABRIC_PORT",
            "FABRIC_PORT_8080_TCP_ADDR",
            "FABRIC_SERVICE_HOST",
            "FABRIC_WORKER_SERVICE_PORT",
            "FABRIC_QUEUE_PORT",
        ] {
            assert_eq!(meant(name), [None], "{name}");
        }
        // What our tests read: it is inherited by the processes that they start.
        for name in ["FABRIC_BIN", "FABRIC_TEST_CALLS", "FABRIC_LONG_CALL", "FABRIC_CHAOS_CALLS", "FABRIC_SIM_SEEDS"] {
            assert_eq!(meant(name), [None], "{name}");
        }
    }
}
