//! How many of all traces are sampled (pure).

use std::fmt;

use proto::trace::TraceId;

/// A share, between none and all.
///
/// Which traces it has is read off their ids, as OpenTelemetry does it: who samples less has a part of those that who
/// samples more has.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Share(f64);

/// The ids of traces are random in their last 56 bits.
const RANDOM_BITS: u32 = 56;

impl Share {
    /// Every trace.
    pub const ALL: Self = Self(1.0);
    /// No trace.
    pub const NONE: Self = Self(0.0);

    /// Reads `1%` or `0.01`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let share: f64 = match text.trim().strip_suffix('%') {
            Some(percent) => percent.trim().parse::<f64>().ok()? / 100.0,
            None => text.trim().parse().ok()?,
        };
        (0.0..=1.0).contains(&share).then_some(Self(share))
    }

    /// Whether it has this trace.
    #[must_use]
    pub fn has(self, trace: TraceId) -> bool {
        let random = u128::from_be_bytes(trace.bytes()) & ((1 << RANDOM_BITS) - 1);
        let space = (1_u64 << RANDOM_BITS) as f64;
        // Compared as whole numbers: as f64 the last ids would be rounded up to what no id is.
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 0 and 2^56, and whole")]
        let least = ((1.0 - self.0) * space).round() as u128;
        random >= least
    }
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}%", self.0 * 100.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_a_percentage_or_a_part_of_one() {
        assert_eq!(Share::parse("1%"), Share::parse("0.01"));
        assert_eq!((Share::parse("100%"), Share::parse("0")), (Some(Share::ALL), Some(Share::NONE)));
        assert_eq!(Share::parse(" 12.5 % ").unwrap().to_string(), "12.5%");
        for bad in ["", "%", "1%%", "101%", "1.1", "-1%", "NaN", "some"] {
            assert_eq!(Share::parse(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn who_samples_less_has_a_part_of_the_same() {
        let id = |random: u64| {
            let mut bytes = [0xff; 16];
            bytes[8..].copy_from_slice(&random.to_be_bytes());
            TraceId::new(bytes).unwrap()
        };
        let half = Share::parse("50%").unwrap();
        let quarter = Share::parse("25%").unwrap();
        let last = (1_u64 << 56) - 1;
        for (random, in_half, in_quarter) in [
            (0, false, false),
            (last / 2, false, false),
            (last / 2 + 1, true, false),
            (last / 8 * 7, true, true),
            (last, true, true),
        ] {
            assert_eq!((half.has(id(random)), quarter.has(id(random))), (in_half, in_quarter), "{random}");
            assert!(Share::ALL.has(id(random)) && !Share::NONE.has(id(random)));
        }
    }
}
