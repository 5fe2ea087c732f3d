//! Limits as values.

use std::fmt;
use std::num::NonZeroU32;
use std::time::Duration;

/// So many in so long: `100/s`, `600/m`, `5/h`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// How many.
    pub count: NonZeroU32,
    /// In how long.
    pub per: Duration,
}

impl Rate {
    /// Reads `count/s`, `count/m` or `count/h`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (count, unit) = text.split_once('/')?;
        let per = match unit.trim() {
            "s" => 1,
            "m" => 60,
            "h" => 3600,
            _ => return None,
        };
        Some(Self { count: count.trim().parse().ok()?, per: Duration::from_secs(per) })
    }
}

impl Rate {
    /// How many a second.
    #[must_use]
    pub fn per_second(self) -> f64 {
        f64::from(self.count.get()) / self.per.as_secs_f64()
    }

    /// How many at once unless somebody says otherwise: what comes in a tenth of a second.
    #[must_use]
    pub fn burst(self) -> NonZeroU32 {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "not negative, and `as` saturates")]
        let tenth = (self.per_second() / 10.0).ceil() as u32;
        NonZeroU32::new(tenth).unwrap_or(NonZeroU32::MIN)
    }
}

/// A rate over longer times, and how many may come at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Throttle {
    /// Sustained.
    pub rate: Rate,
    /// At once.
    pub burst: NonZeroU32,
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unit = match self.per.as_secs() {
            1 => "s",
            60 => "m",
            _ => "h",
        };
        write!(f, "{}/{unit}", self.count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_reads_as_it_is_written() {
        for text in ["100/s", "600/m", "5/h"] {
            assert_eq!(Rate::parse(text).unwrap().to_string(), text);
        }
        for (text, burst) in [("100/s", 10), ("601/m", 2), ("5/h", 1)] {
            assert_eq!(Rate::parse(text).unwrap().burst().get(), burst, "{text}");
        }
        for bad in ["", "100", "0/s", "-1/s", "1/d", "1/", "/s", "1.5/s"] {
            assert_eq!(Rate::parse(bad), None, "{bad:?}");
        }
    }
}
