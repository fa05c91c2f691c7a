//! The clock of a file: some programs count from their start, others from 1970, and a file that was
//! put together of two has both.

/// Later times than this are counted from 1970, ns: it is nine years.
const SINCE_1970: i64 = 300_000_000_000_000_000;

/// The earliest times of a file, ns.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Clock {
    since_start: Option<i64>,
    since_1970: Option<i64>,
}

impl Clock {
    /// Takes notice of a time.
    pub(crate) fn see(&mut self, ns: i64) {
        let earliest = if ns < SINCE_1970 { &mut self.since_start } else { &mut self.since_1970 };
        *earliest = Some(earliest.map_or(ns, |earliest| earliest.min(ns)));
    }

    /// A time on the clock of the trace, which begins near 0: where nothing precise can be lost.
    pub(crate) fn ns(&self, ns: i64) -> u64 {
        let zero = match (self.since_start, self.since_1970) {
            (start, _) if ns < SINCE_1970 => start.unwrap_or(0).min(0),
            // Both clocks begin together.
            (start, first) => first.unwrap_or(ns).saturating_sub(start.unwrap_or(0).max(0)),
        };
        u64::try_from(ns.saturating_sub(zero)).unwrap_or(0)
    }

    /// Whether there are two, which cannot be compared.
    pub(crate) fn is_double(&self) -> bool {
        self.since_start.is_some() && self.since_1970.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_since_1970_begin_at_0_and_others_stay() {
        let of = |times: &[i64]| {
            let mut clock = Clock::default();
            for ns in times {
                clock.see(*ns);
            }
            times.iter().map(|ns| clock.ns(*ns)).collect::<Vec<_>>()
        };
        assert_eq!(of(&[5000, 7000]), [5000, 7000]);
        assert_eq!(of(&[-5000, 7000]), [0, 12_000]);
        let now = 1_900_000_000_000_000_123;
        assert_eq!(of(&[now + 7, now]), [7, 0]);
        assert_eq!(of(&[now, 500, now + 9]), [500, 500, 509]);
        assert_eq!(of(&[i64::MIN, i64::MAX]), [0, 0]);
    }
}
