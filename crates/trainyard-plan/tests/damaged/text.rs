//! Text that ends early, goes on too long, or is too much.

use std::fmt::Write;

use trainyard_plan::journal::read_line;
use trainyard_plan::{Plan, PlanError, Profile};

use crate::{PROFILE, damage, plan};

#[test]
fn text_that_ends_early_is_an_error_where_it_ends() {
    for text in [PROFILE, &serde_json::to_string_pretty(&plan()).unwrap()] {
        let whole = text.trim_end();
        for end in 0..whole.len() {
            let read = |text: &str| {
                if text == PROFILE.trim_end() {
                    Profile::from_json(&text[..end]).map(|_| ())
                } else {
                    Plan::from_json(&text[..end]).map(|_| ())
                }
            };
            let Err(PlanError::BadFile { line, reason, .. }) = read(whole) else {
                panic!("{}", &whole[..end]);
            };
            let lines = whole[..end].lines().count();
            assert!(line + 1 >= lines && line <= lines + 1, "line {line} of {lines}: {reason}");
        }
    }
    for text in ["", " ", "[]", "5", "null", "\u{feff}{}", "{\"format\": \"trainyard-profile\"}"] {
        for error in [Profile::from_json(text).map(|_| ()), Plan::from_json(text).map(|_| ())] {
            assert!(matches!(error, Err(PlanError::BadFile { .. })), "{text:?}: {error:?}");
        }
    }
    let error = Profile::from_json("{\"format\":\n\"trainyard-profile\"\n}").unwrap_err();
    assert_eq!(error.to_string(), "trainyard-profile, line 3: version: it is missing; 1 is read");
    let more = format!("{PROFILE}}}");
    assert!(matches!(Profile::from_json(&more), Err(PlanError::BadFile { line: 55, .. })));
}

#[test]
fn what_is_too_large_or_too_deep_is_refused_in_no_time() {
    let mut layers = String::new();
    for index in 0..1_000_000 {
        let rest = "\"param_bytes\":1,\"input_bytes\":1,\"output_bytes\":1,\"saved_bytes\":1";
        write!(layers, ",{{\"name\":\"l{index}\",{rest}}}").unwrap();
    }
    let (before, after) = PROFILE.split_once("\n{\"name\": \"y\"").unwrap();
    let before = before.strip_suffix(',').unwrap();
    let many = format!("{before}{layers},\n{{\"name\": \"y\"{after}");
    let Err(PlanError::BadFile { field, reason, .. }) = Profile::from_json(&many) else { panic!() };
    assert_eq!(
        (field.as_str(), reason.as_str()),
        ("model.layers", "1000003 layers, but 1 to 10000 may be planned")
    );

    for open in [
        "[",
        "{\"a\":",
        "{\"model\":",
        "{\"model\":{\"layers\":[",
        "{\"devices\":[{\"optimizer_us\":[",
    ] {
        let deep = open.repeat(100_000);
        assert!(matches!(Profile::from_json(&deep), Err(PlanError::BadFile { .. })));
        assert!(matches!(Plan::from_json(&deep), Err(PlanError::BadFile { .. })));
        assert_eq!(read_line(&deep), Ok(None));
    }
    let deep = format!("\"default_link\": {}5{},", "[".repeat(5000), "]".repeat(5000));
    let found = damage("\"default_link\": {", &format!("{deep} \"x\": {{"));
    assert_eq!(found.0, 49);
}
