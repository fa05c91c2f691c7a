//! Named tensors that do not go together.

use crate::damage;

/// Puts keys in place of the first layer's skip, and others in front of the second layer's; says
/// line, field and reason of what is wrong then.
fn with(first: &str, second: &str) -> (usize, String, String) {
    let new = format!("{first}\n}},\n{{{second}\"name\": \"y\",");
    damage("\"skips_to\": \"z\"\n},\n{\"name\": \"y\",", &new)
}

#[test]
fn every_damaged_tensor_is_named_with_its_line() {
    let h = r#""gives": [{"name": "h", "bytes": 4, "to": ["z"]}]"#;
    let m = r#""batch": [{"name": "m", "bytes": 3}]"#;
    let (h_too, m_too) = (format!("{h}, "), format!("{}, ", m.replace('3', "2")));
    let gives = "model.layers[0].gives[0]";
    for (first, second, line, field, reason) in [
        (h.replace("[\"z\"]", "[\"q\"]"), "", 14, format!("{gives}.to"), "no later layer 'q'"),
        (h.replace("[\"z\"]", "[\"x\"]"), "", 14, format!("{gives}.to"), "no later layer 'x'"),
        (
            h.replace("[\"z\"]", "[\"z\", \"z\"]"),
            "",
            14,
            format!("{gives}.to"),
            "'z' is there twice",
        ),
        (h.replace("[\"z\"]", "7"), "", 14, format!("{gives}.to"), "must be"),
        (h.replace("\"h\"", "\" \""), "", 14, format!("{gives}.name"), "it is empty"),
        (
            h.replace("}]", "}, {\"name\": \"h\", \"bytes\": 0}]"),
            "",
            14,
            "model.layers[0].gives[1].name".to_owned(),
            "two tensors are called 'h'",
        ),
        (
            h.replace('4', "5"),
            "",
            12,
            "model.layers[0].output_bytes".to_owned(),
            "it is 4, but the tensors that the layer gives have 5 bytes together",
        ),
        (
            format!("{h}, \"skips_to\": \"y\""),
            "",
            14,
            "model.layers[0].skips_to".to_owned(),
            "beside gives",
        ),
        (
            h.to_owned(),
            &h_too[..],
            16,
            "model.layers[1].gives[0].to".to_owned(),
            "'z' takes a tensor 'h' from 'x' already",
        ),
        (
            m.replace('3', "5"),
            "",
            11,
            "model.layers[0].input_bytes".to_owned(),
            "it is 4, but the tensors that the layer takes have 5 bytes together",
        ),
        (
            m.replace("}]", "}, {\"name\": \"m\", \"bytes\": 1}]"),
            "",
            14,
            "model.layers[0].batch[1].name".to_owned(),
            "'m' is there twice",
        ),
        (
            m.to_owned(),
            &m_too[..],
            16,
            "model.layers[1].batch[0].bytes".to_owned(),
            "it is 2, but 'x' takes 3 bytes of 'm'",
        ),
    ] {
        let found = with(&first, second);
        assert!(found.2.contains(reason), "{first}: {found:?}");
        assert_eq!((found.0, found.1), (line, field), "{first}: {}", found.2);
    }
}
