//! How GGUF files store numbers: a name, the numbers of a block and its bytes by llama.cpp's `ggml_type`.

use crate::weight::Element;

/// Number, name, numbers of a block, bytes of a block.
const ELEMENTS: [(u32, Element); 31] = [
    (0, Element::F32),
    (1, Element::F16),
    (2, Element::Q4_0),
    (3, Element::Q4_1),
    (6, Element::Q5_0),
    (7, Element::Q5_1),
    (8, Element::Q8_0),
    (9, Element::new("q8_1", (32, 36))),
    (10, Element::new("q2_k", (256, 84))),
    (11, Element::new("q3_k", (256, 110))),
    (12, Element::Q4_K),
    (13, Element::Q5_K),
    (14, Element::Q6_K),
    (15, Element::new("q8_k", (256, 292))),
    (16, Element::new("iq2_xxs", (256, 66))),
    (17, Element::new("iq2_xs", (256, 74))),
    (18, Element::new("iq3_xxs", (256, 98))),
    (19, Element::new("iq1_s", (256, 50))),
    (20, Element::new("iq4_nl", (32, 18))),
    (21, Element::new("iq3_s", (256, 110))),
    (22, Element::new("iq2_s", (256, 82))),
    (23, Element::new("iq4_xs", (256, 136))),
    (24, Element::new("i8", (1, 1))),
    (25, Element::new("i16", (1, 2))),
    (26, Element::new("i32", (1, 4))),
    (27, Element::new("i64", (1, 8))),
    (28, Element::new("f64", (1, 8))),
    (29, Element::new("iq1_m", (256, 56))),
    (30, Element::BF16),
    (34, Element::new("tq1_0", (256, 54))),
    (35, Element::new("tq2_0", (256, 66))),
];

/// The element of a number in a file.
pub(crate) fn element(number: u32) -> Option<Element> {
    ELEMENTS.iter().find(|(known, _)| *known == number).map(|(_, element)| *element)
}

/// The number of an element in a file.
pub(crate) fn number_of(element: Element) -> Option<u32> {
    ELEMENTS.iter().find(|(_, known)| *known == element).map(|(number, _)| *number)
}
