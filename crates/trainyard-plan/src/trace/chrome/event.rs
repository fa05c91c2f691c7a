//! One event of a Chrome trace, as it stands in the file.

use crate::json_walk::{Walk, plain_text, unquoted};

/// The fields of an event, as they stand in the file; empty where it has none.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Event<'a> {
    /// Its phase: what sort of event it is.
    pub(super) ph: &'a str,
    pub(super) name: &'a str,
    pub(super) cat: &'a str,
    pub(super) pid: &'a str,
    pub(super) tid: &'a str,
    pub(super) ts: &'a str,
    pub(super) dur: &'a str,
    pub(super) id: &'a str,
    pub(super) args: &'a str,
    /// Which span an end of a flow belongs to.
    pub(super) bp: &'a str,
    /// The flow that a span takes part in, where it says so itself.
    pub(super) bind_id: &'a str,
    pub(super) flow_in: bool,
    pub(super) flow_out: bool,
}

impl<'a> Event<'a> {
    /// Reads an event; `None` for what is no object.
    pub(super) fn read(text: &'a str) -> Option<Self> {
        let mut walk = Walk::new(text);
        if !walk.enter(b'{') {
            return None;
        }
        let mut event = Self::default();
        while let Some(key) = walk.key() {
            let value = walk.value()?;
            match key {
                "ph" => event.ph = unquoted(value),
                "name" => event.name = value,
                "cat" => event.cat = value,
                // Some write numbers as texts: 7 and "7" are one thread.
                "pid" => event.pid = unquoted(value),
                "tid" => event.tid = unquoted(value),
                "ts" => event.ts = value,
                "dur" => event.dur = value,
                "id" | "id2" => event.id = value,
                "args" => event.args = value,
                "bp" => event.bp = unquoted(value),
                "bind_id" => event.bind_id = unquoted(value),
                "flow_in" => event.flow_in = value == "true",
                "flow_out" => event.flow_out = value == "true",
                _ => {}
            }
        }
        Some(event)
    }

    /// When it was, ns.
    pub(super) fn at(&self) -> Option<i64> {
        nanos(self.ts)
    }

    /// How long it took, ns; 0 where it does not say.
    pub(super) fn length(&self) -> i64 {
        nanos(self.dur).unwrap_or(0).max(0)
    }

    /// Its arguments, as they stand in the file.
    pub(super) fn arguments(&self) -> impl Iterator<Item = (&'a str, &'a str)> + use<'a> {
        let mut walk = Walk::new(self.args);
        walk.enter(b'{');
        std::iter::from_fn(move || Some((walk.key()?, walk.value()?)))
    }

    /// A text among its arguments.
    pub(super) fn text(&self, key: &str) -> Option<String> {
        self.arguments().find(|(name, _)| *name == key).map(|(_, value)| plain_text(value))
    }

    /// A number among its arguments, which has no decimals.
    pub(super) fn whole(&self, key: &str) -> Option<u64> {
        self.arguments().find(|(name, _)| *name == key)?.1.parse().ok()
    }
}

/// Microseconds with decimals as nanoseconds, exactly: a float cannot hold the time since 1970.
fn nanos(micros: &str) -> Option<i64> {
    let text = unquoted(micros);
    exact_nanos(text).or_else(|| {
        let nanos = text.parse::<f64>().ok()? * 1000.0;
        // Three hundred years.
        (nanos.abs() < 9.2e18).then_some(nanos.round() as i64)
    })
}

fn exact_nanos(text: &str) -> Option<i64> {
    let (whole, decimals) = text.split_once('.').unwrap_or((text, ""));
    let digit = |at: usize| match decimals.as_bytes().get(at) {
        None => Some(0),
        Some(byte) => byte.is_ascii_digit().then(|| i64::from(byte - b'0')),
    };
    if !decimals.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let rest = digit(0)? * 100 + digit(1)? * 10 + digit(2)? + i64::from(digit(3)? >= 5);
    let rest = if text.starts_with('-') { -rest } else { rest };
    whole.parse::<i64>().ok()?.checked_mul(1000)?.checked_add(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_keep_their_nanoseconds() {
        for (text, ns) in [
            ("1900000000000000.123", Some(1_900_000_000_000_000_123)),
            ("\"12.5\"", Some(12_500)),
            ("-0.25", Some(-250)),
            ("0.0006", Some(1)),
            ("1e3", Some(1_000_000)),
            ("1.5E1", Some(15_000)),
            ("1e40", None),
            ("NaN", None),
            ("", None),
            ("true", None),
        ] {
            assert_eq!(nanos(text), ns, "{text}");
        }
    }
}
