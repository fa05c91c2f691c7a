//! The built-in text `yard`.

use super::*;

fn yard(characters: usize) -> String {
    yard_text(3, characters)
}

#[test]
fn the_yard_is_the_same_everywhere() {
    let text = builtin_text("yard").unwrap();
    assert_eq!(text.len(), 300_000);
    assert!(text.bytes().all(|byte| byte == b'\n' || (b' '..=b'~').contains(&byte)));
    assert_eq!(yard(5000), yard(9000)[..5000]);
    assert_ne!(yard_text(4, 5000), yard(5000));
    assert!(yard(0).is_empty());
    let vocabulary = in_memory(&text).vocabulary().len();
    assert!((45..=70).contains(&vocabulary), "{vocabulary} characters");
}

#[test]
fn the_yard_has_no_unfilled_slots_and_agrees_with_itself() {
    let text = yard(400_000);
    assert!(!text.contains(['{', '}', '_']));
    let paragraphs: Vec<&str> = text.split("\n\n").collect();
    let distinct: std::collections::BTreeSet<_> = paragraphs.iter().collect();
    assert!(distinct.len() + 20 > paragraphs.len(), "{} of {}", distinct.len(), paragraphs.len());
    let mut sheets = 0;
    // The last one is cut short.
    for sheet in paragraphs.iter().rev().skip(1).filter(|p| p.starts_with("LOAD SHEET")) {
        let sums: Vec<u64> = sheet
            .lines()
            .skip(1)
            .map(|line| line.split_whitespace().rev().find_map(|w| w.parse().ok()).unwrap_or(0))
            .collect();
        let total: u64 =
            sheet.lines().last().unwrap().split_whitespace().nth(3).unwrap().parse().unwrap();
        assert_eq!(sums[0] + sums[1], total, "{sheet}");
        sheets += 1;
    }
    assert!(sheets > 20);
    for log in paragraphs.iter().rev().skip(1).filter(|p| p.starts_with("LOG OF")) {
        let lines: Vec<&str> = log.lines().collect();
        let train = lines[1][7..].split(" comes").next().unwrap();
        assert!(lines[lines.len() - 1].contains(&format!("{train} leaves")), "{log}");
    }
}
