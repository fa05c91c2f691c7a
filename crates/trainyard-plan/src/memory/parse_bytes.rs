//! Sizes as people write them.

use crate::PlanError;

/// The decimal and binary units that a run file may use.
const UNITS: [(&str, u64); 10] = [
    ("", 1),
    ("b", 1),
    ("kb", 1_000),
    ("mb", 1_000_000),
    ("gb", 1_000_000_000),
    ("tb", 1_000_000_000_000),
    ("kib", 1 << 10),
    ("mib", 1 << 20),
    ("gib", 1 << 30),
    ("tib", 1 << 40),
];

/// Reads `6 GiB`, `512MiB`, `1.5 GB` or plain bytes. KB, MB, GB and TB are decimal; KiB, MiB, GiB
/// and TiB are binary; case does not matter. A fraction of a byte is rounded.
///
/// # Errors
/// [`PlanError::BadNumber`] for anything else, and for more than 64 bits of bytes.
pub fn parse_bytes(text: &str) -> Result<u64, PlanError> {
    let bad = || PlanError::BadNumber {
        what: "a memory size".into(),
        value: format!("'{text}'"),
        must: "a number of bytes such as 6 GiB, 512 MiB or 1.5 GB".into(),
    };
    let trimmed = text.trim();
    let digits = trimmed.bytes().take_while(|b| b.is_ascii_digit() || *b == b'.').count();
    let (number, unit) = trimmed.split_at(digits);
    let unit = unit.trim().to_ascii_lowercase();
    let (_, factor) = UNITS.into_iter().find(|(name, _)| *name == unit).ok_or_else(bad)?;
    // Whole numbers stay exact; f64 would round those beyond 2^53.
    if let Ok(whole) = number.parse::<u64>() {
        return whole.checked_mul(factor).ok_or_else(bad);
    }
    let bytes = number.parse::<f64>().map_err(|_| bad())? * factor as f64;
    // 2^64 as f64; anything from there on would saturate in silence.
    if bytes < 18_446_744_073_709_551_616.0 { Ok(bytes.round() as u64) } else { Err(bad()) }
}
