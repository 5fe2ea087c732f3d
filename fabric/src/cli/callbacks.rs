//! What callbacks carry, and where to.

use clap::{ArgAction, Args};
use proto::host::Pattern;

use super::value::size;

/// The largest result that a callback carries unless somebody says otherwise, in bytes.
pub const MAX_RESULT: usize = 1024 * 1024;

/// Where callbacks may go.
#[derive(Debug, Args)]
pub struct Callbacks {
    /// Let callbacks go to loopback, private and link-local addresses.
    #[arg(long, action = ArgAction::Set, num_args = 0..=1, require_equals = true, default_value_t = false, default_missing_value = "true", value_name = "BOOL")]
    pub allow_private_callbacks: bool,
    /// A host, *.host or network to which callbacks may go though it is inside; may be repeated.
    #[arg(long = "callback-allow", value_delimiter = ',', value_parser = Pattern::parse, value_name = "HOST")]
    pub allow: Vec<Pattern>,
    /// A host, *.host or network to which no callback may go, whatever else is allowed; may be repeated.
    #[arg(long = "callback-deny", value_delimiter = ',', value_parser = Pattern::parse, value_name = "HOST")]
    pub deny: Vec<Pattern>,
    /// The largest result that a callback carries; of a larger one its receiver is told the length.
    #[arg(long, default_value = "1MiB", value_parser = size, value_name = "SIZE")]
    pub max_result: usize,
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Parsed {
        #[command(flatten)]
        callbacks: Callbacks,
    }

    #[test]
    fn a_result_is_limited_alike_where_nobody_can_say_how() {
        let parsed = Parsed::try_parse_from(["x"]).unwrap().callbacks;
        assert_eq!((parsed.max_result, parsed.allow_private_callbacks), (MAX_RESULT, false));
    }

    #[test]
    fn what_is_allowed_elsewhere_can_be_forbidden_by_a_flag() {
        for (args, allowed) in [
            (["x", "--allow-private-callbacks"], true),
            (["x", "--allow-private-callbacks=true"], true),
            (["x", "--allow-private-callbacks=false"], false),
        ] {
            assert_eq!(Parsed::try_parse_from(args).unwrap().callbacks.allow_private_callbacks, allowed, "{args:?}");
        }
    }
}
