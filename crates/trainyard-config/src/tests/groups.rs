//! `[[optimizer.group]]`.

use super::*;

const TWO: &str = "[optimizer]\nbeta1 = 0.5\n[[optimizer.group]]\npattern = \"*norm*\"\n\
                   weight_decay = 0.25\n[[optimizer.group]]\npattern = \"embed/*\"\n\
                   learning_rate_factor = 0\nmatrices = false\n";

fn with(sets: &[&str]) -> Result<RunConfig, ConfigError> {
    read_with(&format!("{SMALL}{TWO}"), sets)
}

#[test]
fn groups_are_read_in_their_order() {
    let config = with(&[]).unwrap();
    let first = OptimizerGroup { weight_decay: Some(0.25), ..OptimizerGroup::new("*norm*") };
    let second = OptimizerGroup {
        learning_rate_factor: 0.0,
        matrices: false,
        ..OptimizerGroup::new("embed/*")
    };
    assert_eq!(config.optimizer_groups, [first, second]);
    // They are no option of the optimizer itself, and the resolved file says the same.
    assert_eq!(config.optimizer.options.len(), 4);
    assert_eq!(read(&config.to_toml().unwrap()).unwrap(), config);
    assert!(read(SMALL).unwrap().optimizer_groups.is_empty());
}

#[test]
fn groups_can_be_set() {
    let groups = |set: &str| with(&[set]).unwrap().optimizer_groups;
    let changed = groups("optimizer.group.1.learning_rate_factor=0.5");
    assert_eq!((changed.len(), changed[1].learning_rate_factor), (2, 0.5));
    assert_eq!(groups("optimizer.group=[]"), []);
    let whole = groups("optimizer.group=[{pattern = \"a/*\", weight_decay = 2}]");
    assert_eq!((whole.len(), whole[0].weight_decay), (1, Some(2.0)));
}

#[test]
fn what_makes_no_sense_is_named_with_its_place() {
    let cases = [
        (
            "patern = \"a\"",
            "unknown key 'patern' in [[optimizer.group]] (/yard/run.toml:4:1); did you mean 'pattern'?",
        ),
        (
            "id = \"a\"",
            "'id' in [[optimizer.group]] (/yard/run.toml:4:1); it belongs in [[device]]",
        ),
        ("weight_decay = 0", ":3:1: optimizer.group.0.pattern is empty, but must be a pattern"),
        ("pattern = \"\"", ":4:11: optimizer.group.0.pattern is empty, but must be a pattern"),
        ("pattern = 3", ":4:11: optimizer.group.0.pattern is 3, but must be a text in quotes"),
        (
            "pattern = \"*\"\nlearning_rate_factor = -1",
            ":5:24: optimizer.group.0.learning_rate_factor is -1, but must be from 0 to 1000",
        ),
        ("pattern = \"*\"\nweight_decay = nan", "optimizer.group.0.weight_decay is NaN"),
        ("pattern = \"*\"\nmatrices = 1", "optimizer.group.0.matrices is 1, but must be true or"),
    ];
    for (text, expected) in cases {
        let said = message(&format!("[[optimizer.group]]\n{text}"));
        assert!(said.contains(expected), "{text:?} gave {said:?}");
    }
    let single = message("[optimizer.group]\npattern = \"*\"");
    assert!(single.ends_with("a group is written [[optimizer.group]], with double brackets"));
    let entry = message("[optimizer]\ngroup = [3]");
    assert!(entry.contains("'optimizer.group' is 3, but must be a section, [[optimizer.group]]"));
    let plural = message("[[optimizer.groups]]\npattern = \"*\"");
    assert!(plural.contains("unknown key 'groups' in [optimizer]"), "{plural}");
    assert!(plural.ends_with("did you mean 'group'?"), "{plural}");
    let outside = message("[optimizer]\npattern = \"*\"");
    assert!(outside.ends_with("it belongs in [[optimizer.group]]"), "{outside}");
}

#[test]
fn a_set_of_a_group_that_is_not_there_is_refused() {
    let wrong = |set: &str| with(&[set]).unwrap_err().to_string();
    assert!(wrong("optimizer.group.2.pattern=*").ends_with("say its position, 0 to 1"));
    assert!(wrong("optimizer.group.norms.pattern=*").contains("no [[optimizer.group]] 'norms'"));
    let unknown = wrong("optimizer.group.0.patern=*");
    assert!(unknown.contains("unknown key 'patern' in [[optimizer.group]]"), "{unknown}");
    let none = read_with(SMALL, &["optimizer.group.0.pattern=*"]).unwrap_err().to_string();
    assert!(none.contains("the run file has no [[optimizer.group]]; add one to it"), "{none}");
}
