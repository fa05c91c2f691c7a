//! Any bytes, and a valid profile with pieces replaced at random.

use proptest::prelude::*;
use trainyard_plan::simulate::simulate_traced;
use trainyard_plan::{Plan, PlanError, Profile};

use crate::{PROFILE, plan};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn arbitrary_bytes_are_a_file_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let text = String::from_utf8_lossy(&bytes);
        let refused = matches!(Profile::from_json(&text), Err(PlanError::BadFile { .. }));
        prop_assert!(refused);
        let refused = matches!(Plan::from_json(&text), Err(PlanError::BadFile { .. }));
        prop_assert!(refused);
    }

    #[test]
    fn a_damaged_profile_is_refused_or_can_be_simulated(
        edits in prop::collection::vec(
            (any::<prop::sample::Index>(), 0_usize..8, "[0-9]{1,20}|[\\[\\]{},:\"-]|null|-0\\.0|1e14|\"[xyzab]\""),
            1..4,
        ),
    ) {
        let mut text = PROFILE.to_owned();
        for (at, length, with) in edits {
            let at = at.index(text.len());
            text.replace_range(at..(at + length).min(text.len()), &with);
        }
        match Profile::from_json(&text) {
            Ok(profile) => {
                prop_assert!(profile.check().is_ok());
                let written = serde_json::to_string(&profile).unwrap();
                // But for the last digit of a time, which serde_json may round otherwise.
                let again = Profile::from_json(&written).unwrap();
                prop_assert_eq!(&again.model, &profile.model);
                prop_assert_eq!(again.devices.len(), profile.devices.len());
                if let Ok((simulation, _)) = simulate_traced(&profile, &plan()) {
                    prop_assert!(simulation.step_us.is_finite());
                }
            }
            Err(PlanError::BadFile { line, field, reason, .. }) => {
                prop_assert!((1..=text.lines().count() + 1).contains(&line), "{field}: {reason}");
            }
            Err(PlanError::UnknownVersion { .. }) => {}
            Err(other) => prop_assert!(false, "{}", other),
        }
    }
}
