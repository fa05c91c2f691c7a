//! `yard` is a small probabilistic grammar about a railway yard. Every paragraph makes up a scene
//! (a train, its load, its track, its people, the time) and writes about it in one of several
//! forms; what a paragraph says at the top still holds at its end. A small model first learns the
//! words, then the forms, and then which of the details have to agree.

use std::fmt::Write as _;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;

use super::phrases as say;
use crate::random::below;

/// A text of exactly `chars` ASCII characters about a railway yard; the same for the same seed.
#[must_use]
pub fn yard_text(seed: u64, chars: usize) -> String {
    let mut writer = Writer { random: ChaCha8Rng::seed_from_u64(seed), text: String::new() };
    while writer.text.len() < chars {
        writer.paragraph();
    }
    // All of it is ASCII, so every byte is a place to cut.
    writer.text.truncate(chars);
    writer.text
}

/// What one paragraph is about.
struct Scene {
    train: String,
    driver: &'static str,
    other: &'static str,
    engine: &'static str,
    place: &'static str,
    animal: &'static str,
    weather: &'static str,
    other_weather: &'static str,
    food: &'static str,
    colour: &'static str,
    fault: &'static str,
    load: &'static str,
    other_load: &'static str,
    track: u64,
    other_track: u64,
    wagons: u64,
    other_wagons: u64,
    tons_each: u64,
    other_tons_each: u64,
    /// Minutes since midnight; every mention of the time moves it on.
    clock: u64,
    departure: u64,
}

struct Writer {
    random: ChaCha8Rng,
    text: String,
}

impl Writer {
    fn number(&mut self, from: u64, to: u64) -> u64 {
        from + below(&mut self.random, to - from + 1)
    }

    fn pick(&mut self, words: &[&'static str]) -> &'static str {
        let index = below(&mut self.random, words.len() as u64);
        words.get(index as usize).copied().unwrap_or_default()
    }

    /// Some of the choices, none of them twice.
    fn pick_some<T: Copy>(&mut self, choices: &[T], count: u64) -> Vec<T> {
        let mut left = choices.to_vec();
        let count = (count as usize).min(left.len());
        (0..count)
            .map(|_| {
                let index = below(&mut self.random, left.len() as u64);
                left.swap_remove(index as usize)
            })
            .collect()
    }

    /// Another word than the one given.
    fn pick_other(&mut self, words: &[&'static str], than: &str) -> &'static str {
        loop {
            let word = self.pick(words);
            if word != than || words.len() < 2 {
                return word;
            }
        }
    }

    fn scene(&mut self) -> Scene {
        let kind = self.pick(say::TRAINS);
        let train = format!("{kind} {}", self.number(101, 489));
        let driver = self.pick(say::PEOPLE);
        let load = self.pick(say::LOADS);
        let weather = self.pick(say::WEATHER);
        let track = self.number(1, 9);
        let clock = self.number(4 * 60, 21 * 60);
        Scene {
            train,
            driver,
            other: self.pick_other(say::PEOPLE, driver),
            engine: self.pick(say::ENGINES),
            place: self.pick(say::PLACES),
            animal: self.pick(say::ANIMALS),
            weather,
            other_weather: self.pick_other(say::WEATHER, weather),
            food: self.pick(say::FOOD),
            colour: self.pick(say::COLOURS),
            fault: self.pick(say::FAULTS),
            load,
            other_load: self.pick_other(say::LOADS, load),
            track,
            other_track: track % 9 + 1,
            wagons: self.number(2, 9),
            other_wagons: self.number(2, 9),
            tons_each: self.number(2, 6) * 5,
            other_tons_each: self.number(2, 6) * 5,
            clock,
            departure: clock + self.number(40, 90),
        }
    }

    fn paragraph(&mut self) {
        let mut scene = self.scene();
        match self.number(0, 11) {
            0..=2 => self.log(&mut scene),
            3..=5 => self.dialogue(&mut scene),
            6 | 7 => self.announcement(&mut scene),
            8 => self.load_sheet(&mut scene),
            9 => self.timetable(&mut scene),
            10 => self.song(&mut scene),
            _ => self.story(&mut scene),
        }
        self.text.push('\n');
    }

    fn log(&mut self, scene: &mut Scene) {
        self.line("LOG OF THE YARD, track {track}.", scene);
        self.line(
            "{now}  {train} comes in on track {track} with {wagons} wagons of {load}.",
            scene,
        );
        let count = self.number(2, 4);
        for event in self.pick_some(say::EVENTS, count) {
            self.line(&format!("{{now}}  {event}"), scene);
        }
        self.line("{departure}  {train} leaves track {track} for {place}.", scene);
    }

    fn dialogue(&mut self, scene: &mut Scene) {
        let opening = self.pick(say::OPENINGS);
        self.line(opening, scene);
        let count = self.number(1, 3);
        for exchange in self.pick_some(say::EXCHANGES, count) {
            self.line(exchange, scene);
        }
        let closing = self.pick(say::CLOSINGS);
        self.line(closing, scene);
    }

    fn announcement(&mut self, scene: &mut Scene) {
        let first = self.pick(say::ANNOUNCEMENTS);
        self.line(first, scene);
        let last = self.pick(say::REMARKS);
        self.line(last, scene);
    }

    fn load_sheet(&mut self, scene: &mut Scene) {
        self.line("LOAD SHEET of {train}, {engine} in front.", scene);
        self.line("{wagons} wagons of {load}, {each} tons each: {sum} tons.", scene);
        self.line("{wagons2} wagons of {load2}, {each2} tons each: {sum2} tons.", scene);
        self.line("All in all {total} tons for {place}. Weighed by {other}.", scene);
    }

    fn timetable(&mut self, scene: &mut Scene) {
        self.line("TIMETABLE of {train}, driver {driver}.", scene);
        let count = self.number(3, 6);
        let mut stops = self.pick_some(say::PLACES, count);
        stops.retain(|stop| *stop != scene.place);
        for (index, stop) in stops.into_iter().enumerate() {
            let word = if index == 0 { "from" } else { "over" };
            let track = self.number(1, 9);
            self.line(&format!("{{now}}  {word} {stop}, track {track}"), scene);
        }
        self.line("{now}  to {place}, track {track}", scene);
    }

    fn song(&mut self, scene: &mut Scene) {
        self.line("SONG of {driver}:", scene);
        let verses = self.number(2, 3);
        let rhymes = self.pick_some(say::RHYMES, verses * 2);
        let refrain = self.pick(say::REFRAINS);
        for verse in rhymes.chunks(2) {
            for lines in verse {
                if let [first, second] = self.pick_some(lines, 2)[..] {
                    self.line(&format!("  {first},"), scene);
                    self.line(&format!("  {second}."), scene);
                }
            }
            self.line(&format!("  {refrain}"), scene);
        }
    }

    fn story(&mut self, scene: &mut Scene) {
        let first = self.pick(say::BEGINNINGS);
        let middle = self.pick(say::MIDDLES);
        let last = self.pick(say::ENDS);
        self.line(&format!("{first} {middle} {last}"), scene);
    }

    /// Writes a line, its slots filled in from the scene.
    fn line(&mut self, template: &str, scene: &mut Scene) {
        let mut rest = template;
        while let Some((before, slot, after)) = next_slot(rest) {
            self.text.push_str(before);
            self.slot(slot, scene);
            rest = after;
        }
        self.text.push_str(rest);
        self.text.push('\n');
    }

    fn slot(&mut self, slot: &str, scene: &mut Scene) {
        let sum = scene.wagons * scene.tons_each;
        let other_sum = scene.other_wagons * scene.other_tons_each;
        let number = match slot {
            "train" => return self.words(&scene.train),
            "driver" => return self.words(scene.driver),
            "other" => return self.words(scene.other),
            "engine" => return self.words(scene.engine),
            "place" => return self.words(scene.place),
            "animal" => return self.words(scene.animal),
            "weather" => return self.words(scene.weather),
            "weather2" => return self.words(scene.other_weather),
            "food" => return self.words(scene.food),
            "colour" => return self.words(scene.colour),
            "fault" => return self.words(scene.fault),
            "load" => return self.words(scene.load),
            "load2" => return self.words(scene.other_load),
            "now" => {
                let now = scene.clock;
                // Never past the departure: a log ends with it.
                scene.clock = (now + self.number(2, 8)).min(scene.departure - 1);
                return self.time(now);
            }
            "departure" => return self.time(scene.departure),
            "track" => scene.track,
            "track2" => scene.other_track,
            "wagons" => scene.wagons,
            "wagons2" => scene.other_wagons,
            "each" => scene.tons_each,
            "each2" => scene.other_tons_each,
            "sum" => sum,
            "sum2" => other_sum,
            "total" => sum + other_sum,
            "minutes" => self.number(2, 12),
            _ => return,
        };
        // Writing to a String cannot fail.
        let _ = write!(self.text, "{number}");
    }

    /// Writes words, with a capital letter where a sentence or a line of a song begins.
    fn words(&mut self, words: &str) {
        let begins = ["\n", "  ", ". ", ": "].iter().any(|end| self.text.ends_with(end));
        let mut letters = words.chars();
        if begins && let Some(first) = letters.next() {
            self.text.push(first.to_ascii_uppercase());
        }
        self.text.push_str(letters.as_str());
    }

    fn time(&mut self, minutes: u64) {
        let _ = write!(self.text, "{:02}:{:02}", minutes / 60 % 24, minutes % 60);
    }
}

/// What stands before the first `{slot}`, its name, and what stands after it.
fn next_slot(template: &str) -> Option<(&str, &str, &str)> {
    let (before, rest) = template.split_once('{')?;
    let (slot, after) = rest.split_once('}')?;
    Some((before, slot, after))
}
