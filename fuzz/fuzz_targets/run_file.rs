//! Any bytes as a run file, the last line as a `--set`. One that is read can be written and read
//! again, and says the same.
#![no_main]

use std::path::Path;

use libfuzzer_sys::fuzz_target;
use trainyard_config::RunConfig;

fuzz_target!(|bytes: &[u8]| {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let path = Path::new("/fuzz/run.toml");
    let (body, set) = text.rsplit_once('\n').unwrap_or((text, ""));
    let _refused = RunConfig::from_text(body, path, &[set.to_owned()], &[]).is_err();
    let Ok((config, _)) = RunConfig::from_text(text, path, &[], &[]) else { return };
    // A path that TOML cannot hold is the one thing that is read and cannot be written.
    let Ok(written) = config.to_toml() else { return };
    let again = RunConfig::from_text(&written, path, &[], &[]);
    let (again, _) = again.expect("what was written can be read");
    assert_eq!(again, config);
});
