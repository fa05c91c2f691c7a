//! What is made from the declarations: the page of keys, its JSON, and the schema.

use serde_json::Value;

use super::*;

#[test]
fn the_page_has_every_key_with_all_that_is_known() {
    let groups = listing::groups(&GROUPS, None).unwrap();
    let page = listing::page(&groups, 100);
    for part in [
        "[model] kind = \"gpt\"\nThe nanoGPT shape.\n\n  layers = 4\n      Blocks.\n      a whole number; from 1 to 10000\n",
        "\n  inner follows from width: four times as many\n",
        "[data] kind = \"text\", or text = …\n",
        "\n  validation_fraction = 0.1\n",
        "[optimizer] kind = \"sgd\"\n",
        "\n  schedule = \"cosine\"\n",
        "      one of cosine, constant, linear, wsd\n        cosine: Half a cosine",
        "[[optimizer.group]]\nWeights that are updated in a way of their own.",
        "[[device]]\n",
        "\n  memory\n      Memory budget;",
    ] {
        assert!(page.contains(part), "{part:?} is not in\n{page}");
    }
    for width in [100, 60] {
        let page = listing::page(&groups, width);
        // What cannot be cut is longer: a heading, and a key with its default.
        let fits = |line: &str| line.chars().count() <= width || !line.starts_with("      ");
        assert!(page.lines().all(fits), "{page}");
    }
    for group in &groups {
        for key in (group.keys)() {
            assert!(page.contains(&format!("\n  {}", key.name)), "{}", key.name);
            assert!(!key.doc.is_empty(), "{}.{} has no doc", group.section, key.name);
        }
    }
}

#[test]
fn a_listing_can_be_of_one_section() {
    let groups = listing::groups(&GROUPS, Some("optimizer")).unwrap();
    assert_eq!(groups.iter().map(|group| group.kind).collect::<Vec<_>>(), ["adamw", "sgd", ""]);
    assert_eq!(groups[2].section, "optimizer.group");
    let json = listing::json(&groups);
    assert_eq!(json["sections"][1]["keys"][0]["name"], "momentum");
    assert_eq!(json["sections"][1]["keys"][0]["default"], "0.9");
    assert_eq!(json["sections"][1]["kind"], "sgd");
    for list in ["[[device]]", "[[optimizer.group]]"] {
        assert_eq!(listing::groups(&GROUPS, Some(list)).unwrap().len(), 1, "{list}");
    }
    let error = listing::groups(&GROUPS, Some("trian")).unwrap_err().to_string();
    assert!(error.contains("'trian'") && error.contains("did you mean \"train\"?"), "{error}");
}

/// Every key is in the schema, and of what a resolved file says nothing is unknown to it.
#[test]
fn the_schema_knows_what_the_reader_knows() {
    let schema = schema::schema(&GROUPS);
    let properties = |section: &str| {
        let of = |section: &Value, name: &str| section["properties"][name].clone();
        let section = section.split('.').fold(schema.clone(), |outer, name| of(&outer, name));
        section.get("items").unwrap_or(&section)["properties"].clone()
    };
    for group in listing::groups(&GROUPS, None).unwrap() {
        for key in (group.keys)() {
            let property = &properties(group.section)[key.name];
            let description = property["description"].as_str().unwrap_or_default();
            assert!(description.contains(&key.doc), "{}.{}: {property}", group.section, key.name);
        }
    }
    let text = "[model]\nkind = \"gpt\"\n[data]\nbuiltin = \"yard\"\n[train]\nseed = 1\n[[optimizer.group]]\npattern = \"*\"\n[[device]]\nid = \"a\"\nmemory = \"1 GiB\"";
    let written: toml::Table = read(text).unwrap().to_toml().unwrap().parse().unwrap();
    for (section, keys) in &written {
        let keys = keys.get(0).unwrap_or(keys).as_table().unwrap();
        for key in keys.keys() {
            assert!(properties(section).get(key).is_some(), "[{section}] {key}");
        }
    }
}

#[test]
fn the_schema_says_ranges_choices_and_defaults() {
    let schema = schema::schema(&GROUPS);
    let train = &schema["properties"]["train"]["properties"];
    assert_eq!((&train["steps"]["minimum"], &train["steps"]["default"]), (&1.into(), &500.into()));
    assert_eq!(train["schedule"]["enum"][3], "wsd");
    assert_eq!(train["decay_share"]["default"], 0.2);
    assert!(train["decay_steps"].get("default").is_none());
    assert_eq!(train["beta1"]["exclusiveMaximum"], 1);
    let schedules = &schema["properties"]["pipeline"]["properties"]["schedule"]["enum"];
    assert!(schedules.as_array().unwrap().contains(&"1f1b".into()), "{schedules}");
    // Keys that several kinds have are described for each, and held to each one's range.
    let model = &schema["properties"]["model"];
    let layers = model["properties"]["layers"]["description"].as_str().unwrap();
    assert!(layers.contains("gpt: Blocks.") && layers.contains("mlp: Linear layers."), "{layers}");
    let gpt = &model["allOf"][0];
    assert_eq!(gpt["if"]["properties"]["kind"]["const"], "gpt");
    assert_eq!(gpt["then"]["properties"]["layers"]["maximum"], 10_000);
    assert!(gpt["then"]["propertyNames"]["enum"].as_array().unwrap().contains(&"kind".into()));
    // The default kind's condition holds where no kind is named.
    let optimizer = &schema["properties"]["optimizer"]["allOf"];
    assert!(optimizer[0]["if"].get("required").is_none());
    assert!(optimizer[1]["if"].get("required").is_some());
}
