//! Sizes as people write them.

use crate::PlanError;

/// The units in words, for messages.
pub const SIZE_UNITS: &str =
    "the units are B; KB, MB, GB, TB (1000 each); KiB, MiB, GiB, TiB, or K, M, G, T (1024 each)";

/// The units with their bytes; of those that mean the same the one to write comes first.
const UNITS: [(&str, u64); 13] = [
    ("B", 1),
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("TiB", 1 << 40),
    ("KB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("TB", 1_000_000_000_000),
    ("K", 1 << 10),
    ("M", 1 << 20),
    ("G", 1 << 30),
    ("T", 1 << 40),
];

/// Reads `6 GiB`, `512MiB`, `1.5 GB`, `64M` or plain bytes. KB, MB, GB and TB are decimal; KiB, MiB,
/// GiB and TiB are binary, as are K, M, G and T; case does not matter. A fraction of a byte is
/// rounded.
///
/// # Errors
/// [`PlanError::BadNumber`] for anything else, and for more than 64 bits of bytes.
pub fn parse_bytes(text: &str) -> Result<u64, PlanError> {
    let bad = || PlanError::BadNumber {
        what: "a memory size".into(),
        value: format!("'{text}'"),
        must: format!("a size such as 6 GiB, 512 MiB or 1.5 GB; {SIZE_UNITS}"),
    };
    let trimmed = text.trim();
    let digits = trimmed.bytes().take_while(|b| b.is_ascii_digit() || *b == b'.').count();
    let (number, unit) = trimmed.split_at(digits);
    let unit = if unit.trim().is_empty() { "B" } else { unit.trim() };
    let named = |(name, _): &(&str, u64)| name.eq_ignore_ascii_case(unit);
    let (_, factor) = UNITS.into_iter().find(named).ok_or_else(bad)?;
    // Whole numbers stay exact; f64 would round those beyond 2^53.
    if let Ok(whole) = number.parse::<u64>() {
        return whole.checked_mul(factor).ok_or_else(bad);
    }
    let bytes = number.parse::<f64>().map_err(|_| bad())? * factor as f64;
    // 2^64 as f64; anything from there on would saturate in silence.
    if bytes < 18_446_744_073_709_551_616.0 { Ok(bytes.round() as u64) } else { Err(bad()) }
}

/// A size without rounding, in the unit that makes it shortest: what people write, `64 MB` or `6 GiB`.
pub fn exact_bytes(bytes: u64) -> String {
    let whole =
        UNITS.iter().filter(|(_, factor)| bytes.is_multiple_of(*factor) && bytes >= *factor);
    let number =
        whole.map(|(unit, factor)| (bytes / factor, unit)).min_by_key(|(number, _)| *number);
    number.map_or_else(|| format!("{bytes} B"), |(number, unit)| format!("{number} {unit}"))
}
