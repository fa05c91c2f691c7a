//! Properties of the run file, over random ones.

use proptest::prelude::*;

use super::*;

/// Pattern, factor and weight decay of a group.
type Group = (String, f64, Option<f64>);

/// Without kinds, so that options may be anything.
fn read_any(text: &str) -> Result<RunConfig, ConfigError> {
    RunConfig::from_text(text, Path::new("/yard/run.toml"), &[], &[]).map(|(config, _)| config)
}

fn any_value() -> impl Strategy<Value = toml::Value> {
    let leaf = prop_oneof![
        any::<i64>().prop_map(toml::Value::Integer),
        any::<bool>().prop_map(toml::Value::Boolean),
        any::<String>().prop_map(toml::Value::String),
        (-1e300f64..1e300).prop_map(toml::Value::Float),
    ];
    leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(toml::Value::Array),
            prop::collection::btree_map(any::<String>(), inner, 0..3)
                .prop_map(|entries| toml::Value::Table(entries.into_iter().collect())),
        ]
    })
}

fn any_config() -> impl Strategy<Value = RunConfig> {
    let options = prop::collection::btree_map("[a-z é\"]{0,8}", any_value(), 0..4);
    let train =
        (1..2000u64, 1..400usize, 1e-9..1000f64, 0.0..1f64, 0.0..1f64, any::<u32>(), any::<bool>());
    let devices = prop::collection::btree_map(
        "[a-zA-Z0-9_-]{1,9}",
        (
            "[ -~é]{0,9}x",
            prop::option::of(1..i64::MAX as u64),
            prop::option::of(1e-9..1e9f64),
            prop::option::of(1..64usize),
        ),
        0..4,
    );
    let groups =
        prop::collection::vec(("[ -~é]{1,9}", 0.0..1000f64, prop::option::of(0.0..9f64)), 0..3);
    let text = prop::option::of("[ -~é\n]{1,12}");
    (options, train, devices, groups, text).prop_map(|(options, train, devices, groups, text)| {
        let mut config = read_any(SMALL).unwrap();
        config.model.options = options.into_iter().filter(|(key, _)| key != "kind").collect();
        let (steps, batch, rate, beta, fraction, seed, whole) = train;
        config.train.steps = steps;
        config.train.warmup = steps - 1;
        config.train.decay_steps = steps;
        config.train.batch = batch;
        config.train.micro_batches = batch;
        config.train.learning_rate = rate;
        config.train.min_learning_rate = rate * beta;
        config.train.seed = seed.into();
        config.train.validate_whole_at_end = whole.then_some(true);
        config.data.validation_fraction = fraction * 0.8 + 1e-3;
        config.data.options =
            text.map(|text| ("text".to_owned(), toml::Value::String(text))).into_iter().collect();
        let group = |(pattern, learning_rate_factor, weight_decay): Group| OptimizerGroup {
            learning_rate_factor,
            weight_decay,
            ..OptimizerGroup::new(pattern)
        };
        config.optimizer_groups = groups.into_iter().map(group).collect();
        config.devices = devices
            .into_iter()
            .map(|(id, (adapter, memory, speed, threads))| DeviceSection {
                id,
                adapter,
                memory: memory.map(ByteSize),
                threads,
                speed,
                ..DeviceSection::default()
            })
            .collect();
        config
    })
}

proptest! {
    #[test]
    fn a_written_config_reads_back_the_same(config in any_config()) {
        let text = config.to_toml().unwrap();
        let again = read_any(&text);
        prop_assert!(again.is_ok(), "{}\n{text}", again.unwrap_err());
        prop_assert_eq!(again.unwrap(), config);
    }

    #[test]
    fn no_text_and_no_set_panics(text in any::<String>(), set in any::<String>()) {
        let _ = (read(&text), read_any(&text));
        let _ = read_with(SMALL, &[&set]);
    }

    #[test]
    fn nearly_right_texts_do_not_panic(
        text in r#"(\[+(model|train|device|data|x)\]*\n|(kind|steps|id|memory|batch|é) ?= ?("[a-z é]{0,3}"|-?[0-9]{0,20}|\[|\{|nan|1e9)\n){0,6}"#,
        set in r"(train|device|model|data)?(\.(0|1|a|é|batch|text|kind)){0,3}=?([0-9]{1,3}|x|é|\[|\{\}|'|nan){0,2}",
    ) {
        let _ = read(&text);
        let _ = read(&format!("{SMALL}{text}"));
        let _ = read_with(&format!("{SMALL}[[device]]\nid = 'a'\n"), &[&set]);
    }
}
