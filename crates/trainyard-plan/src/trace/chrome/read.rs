//! Reads Chrome traces: those of this crate, those of other programs, and files with events of both.
//!
//! The file is a list of events, or an object with `traceEvents`; it may break off anywhere. Each
//! event is read by itself, so that one that cannot be read, or is of an unknown sort, costs no
//! other.

use std::collections::BTreeMap;

use super::event::Event;
use super::ours::Ours;
use crate::PlanError;
use crate::json_walk::{Walk, unquoted};
use crate::trace::Trace;
use crate::trace::foreign::{
    Bound, Builder, Clock, FlowPoint, ForeignTrace, Part, RawSpan, Said, SpanKind, ThreadKey,
};

/// No more spans are read, which take some 2 GB.
const MOST_SPANS: usize = 10_000_000;

/// The contents of a trace file.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TraceFile {
    /// What devices of this program did.
    pub trace: Trace,
    /// What other programs did, on the same clock.
    pub foreign: ForeignTrace,
    /// What a reader should know, in words: what was left out, and why.
    pub remarks: Vec<String>,
}

/// Reads a trace. Of this crate's own, marks and arrows are left out, as they follow from the
/// events; what memory is for is not in such a file.
///
/// # Errors
/// [`PlanError::BadFile`] for what is no trace, or has no event that can be drawn.
pub fn from_json(text: String) -> Result<TraceFile, PlanError> {
    let bad = |reason: &str| PlanError::BadFile {
        format: "trace".to_owned(),
        line: 0,
        field: String::new(),
        reason: reason.to_owned(),
    };
    let mut reading = Reading::default();
    if !reading.read(&text) {
        return Err(bad("it has no list of events"));
    }
    let remarks = reading.remarks();
    let Reading { ours, others, clock, .. } = reading;
    let is_ours_alone = others.is_empty();
    let foreign = others.finish(&clock);
    let trace = ours.finish(&clock, is_ours_alone);
    if foreign.is_empty() && trace.events.is_empty() && trace.memory.is_empty() {
        let reason = "there is no event in it that can be drawn";
        let all = std::iter::once(reason.to_owned()).chain(remarks).collect::<Vec<_>>();
        return Err(bad(&all.join("; ")));
    }
    let foreign = if foreign.is_empty() { foreign } else { foreign.with_text(text) };
    Ok(TraceFile { trace, foreign, remarks })
}

/// The events so far.
#[derive(Default)]
struct Reading<'a> {
    ours: Ours<'a>,
    others: Builder<'a>,
    clock: Clock,
    breaks_off: bool,
    is_too_long: bool,
    /// How many could not be read.
    unreadable: usize,
    /// How many are of sorts that are not drawn, by sort.
    not_drawn: BTreeMap<&'a str, usize>,
    /// Marks of ours, which belong to the others where their process does none of our actions.
    marks: Vec<(usize, Event<'a>)>,
}

impl<'a> Reading<'a> {
    /// Reads the events of a file; whether it has a list of them.
    fn read(&mut self, text: &'a str) -> bool {
        let mut walk = Walk::new(text.strip_prefix('\u{feff}').unwrap_or(text));
        let skipped = text.len() - text.trim_start_matches('\u{feff}').len();
        let mut found = false;
        if walk.enter(b'[') {
            found = true;
            self.list(&mut walk, skipped);
        } else if walk.enter(b'{') {
            while let Some(key) = walk.key() {
                if key == "traceEvents" && walk.enter(b'[') {
                    found = true;
                    self.list(&mut walk, skipped);
                } else if walk.value().is_none() {
                    break;
                }
            }
            self.breaks_off |= !walk.is_closed_by(b'}');
        }
        let ours = self.ours.devices();
        for (at, mark) in std::mem::take(&mut self.marks) {
            if !ours.contains(mark.pid) {
                self.instant(at, &mark);
            }
        }
        found
    }

    /// Reads the events of a list that was entered, and steps out of it.
    fn list(&mut self, walk: &mut Walk<'a>, skipped: usize) {
        while let Some((at, element)) = walk.element() {
            if self.others.len() >= MOST_SPANS {
                self.is_too_long = true;
                return;
            }
            match Event::read(element) {
                Some(event) => self.event(skipped + at, &event),
                None => self.unreadable += 1,
            }
        }
        self.breaks_off |= !walk.enter(b']');
    }

    fn event(&mut self, at: usize, event: &Event<'a>) {
        if event.ph == "M" {
            return self.name(event);
        }
        let Some(ns) = event.at() else {
            return self.unread(event);
        };
        if self.ours.take(event) {
            return self.clock.see(ns);
        }
        self.flow_of_span(ns, event);
        match event.ph {
            // What has a duration is whole, also where its sort is not said.
            "X" => self.span(at, ns, event),
            "" if !event.dur.is_empty() => self.span(at, ns, event),
            "B" | "E" => self.bound(at, ns, event, event.ph == "B", false),
            "b" | "e" => self.bound(at, ns, event, event.ph == "b", true),
            "S" | "F" => self.bound(at, ns, event, event.ph == "S", true),
            "i" | "I" | "R" if event.name.starts_with("\"step ") => {
                self.marks.push((at, *event));
            }
            "i" | "I" | "R" | "n" | "T" | "p" => self.instant(at, event),
            "s" => self.flow(ns, event, (event.cat, event.id), Part::Start),
            "t" => self.flow(ns, event, (event.cat, event.id), Part::Step),
            "f" => self.flow(ns, event, (event.cat, event.id), Part::End),
            "C" => self.count(ns, event),
            _ => self.unread(event),
        }
    }

    /// Counts an event that is not drawn.
    fn unread(&mut self, event: &Event<'a>) {
        const DRAWN: [&str; 17] =
            ["X", "B", "E", "b", "e", "S", "F", "i", "I", "R", "n", "T", "p", "s", "t", "f", "C"];
        if event.ph.is_empty() || DRAWN.contains(&event.ph) {
            self.unreadable += 1;
        } else {
            *self.not_drawn.entry(event.ph).or_default() += 1;
        }
    }

    fn name(&mut self, event: &Event<'a>) {
        let (pid, tid) = (event.pid, event.tid);
        let name = || Said::Name(event.text("name").unwrap_or_default());
        let sort_index = || {
            let index = event.text("sort_index").and_then(|index| index.parse().ok());
            Said::SortIndex(index.unwrap_or(0.0))
        };
        let names = &mut self.others.names;
        match unquoted(event.name) {
            "process_name" => names.of_process(pid, name()),
            "process_labels" => {
                names.of_process(pid, Said::Labels(event.text("labels").unwrap_or_default()));
            }
            "process_sort_index" => return names.of_process(pid, sort_index()),
            "thread_name" => names.of_thread(pid, tid, name()),
            "thread_sort_index" => return names.of_thread(pid, tid, sort_index()),
            _ => return,
        }
        self.ours.take_name(event);
    }

    fn thread(&mut self, event: &Event<'a>, is_aside: bool) -> u32 {
        let tid = if is_aside { unquoted(event.cat) } else { event.tid };
        self.others.thread(ThreadKey { pid: event.pid, tid, is_aside })
    }

    fn span(&mut self, at: usize, ns: i64, event: &Event<'a>) {
        let end = ns.saturating_add(event.length());
        let is_whole = !event.dur.is_empty();
        let kind = if is_whole { SpanKind::Whole } else { SpanKind::Mark };
        self.push(at, (ns, end), event, kind, false);
    }

    fn instant(&mut self, at: usize, event: &Event<'a>) {
        if let Some(ns) = event.at() {
            let is_aside = matches!(event.ph, "n" | "T" | "p");
            self.push(at, (ns, ns), event, SpanKind::Mark, is_aside);
        }
    }

    fn push(
        &mut self,
        at: usize,
        (start, end): (i64, i64),
        event: &Event<'a>,
        kind: SpanKind,
        is_aside: bool,
    ) {
        self.clock.see(start);
        let thread = self.thread(event, is_aside);
        let (name, category) = (self.others.word(event.name), self.others.word(event.cat));
        self.others.span(RawSpan { thread, kind, start, end, name, category, events: (at, None) });
    }

    fn bound(&mut self, event_at: usize, at: i64, event: &Event<'a>, begins: bool, is_aside: bool) {
        self.clock.see(at);
        let thread = self.thread(event, is_aside);
        let (name, category) = (self.others.word(event.name), self.others.word(event.cat));
        let id = if is_aside { event.id } else { "" };
        let bound = Bound { begins, thread, id, at, name, category, event: event_at };
        self.others.bound(bound);
    }

    /// The flow that a span says itself it takes part in.
    fn flow_of_span(&mut self, ns: i64, event: &Event<'a>) {
        let part = match (event.flow_in, event.flow_out) {
            _ if event.bind_id.is_empty() => return,
            (false, false) => return,
            (false, true) => Part::Start,
            (true, true) => Part::Step,
            (true, false) => Part::End,
        };
        // The end of a span that began with "B" says nothing new, and lies elsewhere.
        if matches!(event.ph, "X" | "B") {
            self.flow(ns, &Event { bp: "e", ..*event }, ("bind_id", event.bind_id), part);
        }
    }

    fn flow(&mut self, ns: i64, event: &Event<'a>, flow: (&'a str, &'a str), part: Part) {
        let point = FlowPoint {
            flow,
            part,
            thread: self.thread(event, false),
            at_ns: 0,
            is_of_next: part == Part::End && event.bp != "e",
        };
        self.others.flow(point, ns);
    }

    fn count(&mut self, ns: i64, event: &Event<'a>) {
        self.clock.see(ns);
        for (series, value) in event.arguments() {
            let number = unquoted(value).parse().ok().filter(|number: &f64| number.is_finite());
            if let Some(number) = number {
                self.others.count((event.pid, event.name, event.id, series), ns, number);
            }
        }
    }

    fn remarks(&self) -> Vec<String> {
        let mut remarks = Vec::new();
        if self.is_too_long {
            remarks.push(format!("only the first {MOST_SPANS} events of it are shown"));
        } else if self.breaks_off {
            remarks.push("it breaks off: what stands before its end is shown".to_owned());
        }
        if self.unreadable > 0 {
            remarks.push(format!("{} could not be read", events(self.unreadable)));
        }
        if !self.not_drawn.is_empty() {
            let sorts: Vec<&str> = self.not_drawn.keys().take(8).copied().collect();
            let count = self.not_drawn.values().sum();
            remarks.push(format!(
                "{} of sorts that are not drawn ({})",
                events(count),
                sorts.join(", ")
            ));
        }
        if self.clock.is_double() {
            let words =
                "some of its times are counted from 1970 and some are not: both begin together";
            remarks.push(words.to_owned());
        }
        remarks
    }
}

fn events(count: usize) -> String {
    if count == 1 { "1 event".to_owned() } else { format!("{count} events") }
}
