//! `steadfast replay`: a flight record run again, and each decision with what led to it.

mod told;

use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Value, json};
use steadfast_control::event::{Happening, Names};
use steadfast_record::{Difference, Header, RECORD_BYTES_MAX, Record, Replay, Step};
use steadfast_vrrp::{Action, GroupId, InstanceId, Machine, Moment};

use crate::clock::Zone;
use crate::command_line::ReplayArguments;
use crate::exit;
use crate::failure::Failure;
use crate::terminal::{self, Paint, Palette, Stream, complain, harmless};

/// Runs the record, and gives the exit status.
pub(crate) fn run(arguments: &ReplayArguments) -> Result<u8, Failure> {
    let unusable = |reason: String| Failure::Record { path: arguments.file.clone(), reason };
    let record = Record::from_octets(&read(&arguments.file)?).map_err(|error| unusable(error.to_string()))?;
    let mut replay = Replay::new(&record.segments).map_err(|error| unusable(error.to_string()))?;
    let mut printer = Printer {
        arguments,
        zone: Zone::of(arguments.times.utc),
        palette: Stream::Output.palette(),
        header: record.header,
        steps: 0,
        decisions: 0,
        parted: None,
    };
    printer.begin(replay.began())?;
    while let Some(step) = replay.next() {
        let step = step.map_err(|error| unusable(error.to_string()))?;
        printer.step(&step, replay.machine())?;
    }
    printer.end(replay.now())
}

fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    let mut octets = Vec::new();
    // One more than a record has: longer ones are refused.
    let limit = u64::try_from(RECORD_BYTES_MAX).unwrap_or(u64::MAX).saturating_add(1);
    if path == Path::new("-") {
        std::io::stdin().lock().take(limit).read_to_end(&mut octets).map_err(Failure::Input)?;
    } else {
        let failure = |source| Failure::File { path: path.to_owned(), source };
        File::open(path).map_err(failure)?.take(limit).read_to_end(&mut octets).map_err(failure)?;
    }
    Ok(octets)
}

/// Names of a machine that is run again.
struct Named<'a>(&'a Machine);

impl Names for Named<'_> {
    fn instance(&self, instance: InstanceId) -> Arc<str> {
        self.0.instance_name(instance).unwrap_or_else(|| "?".into())
    }

    fn group(&self, group: GroupId) -> Arc<str> {
        self.0.group_name(group).unwrap_or_else(|| "?".into())
    }
}

/// What the machine decided, in names.
enum Decision {
    /// An event.
    Event(Happening),
    /// Something else to be done, of which instance.
    Act(Arc<str>, String),
}

impl Decision {
    fn of(action: &Action, machine: &Machine) -> Self {
        let names = Named(machine);
        let (instance, what) = match action {
            Action::Event(event) => return Self::Event(Happening::told(event, &names)),
            Action::Addresses { instance, wanted: true } => {
                (instance, "addresses are to be there".to_owned())
            }
            Action::Addresses { instance, wanted: false } => (instance, "addresses are to go".to_owned()),
            Action::Announce { instance, repeat } => {
                (instance, format!("addresses are announced, {repeat} times each"))
            }
            Action::Prepare { instance, .. } => (instance, "notify_master_prepare is to run".to_owned()),
            Action::AskWhoServes { instance, only_arbiter: false, .. } => {
                (instance, "asks who else serves".to_owned())
            }
            Action::AskWhoServes { instance, only_arbiter: true, .. } => {
                (instance, "asks the arbiter".to_owned())
            }
            Action::CancelAnnounce { instance } => {
                (instance, "announcements that wait are dropped".to_owned())
            }
            Action::AnnounceSource { instance } => (instance, "the source address is announced".to_owned()),
            Action::Removed { instance } => (instance, "gone".to_owned()),
        };
        Self::Act(names.instance(*instance), what)
    }

    fn text(&self) -> String {
        match self {
            Self::Event(happening) => harmless(&happening.message()),
            Self::Act(instance, what) => format!("({}) {what}", harmless(instance)),
        }
    }

    fn concerns(&self, names: &[String]) -> bool {
        let wanted = |name: &str| names.iter().any(|wanted| wanted == name);
        names.is_empty()
            || match self {
                Self::Event(happening) => happening.names().any(wanted),
                Self::Act(instance, _) => wanted(instance),
            }
    }
}

struct Printer<'a> {
    arguments: &'a ReplayArguments,
    zone: Zone,
    palette: Palette,
    header: Header,
    steps: u64,
    decisions: u64,
    /// When something else was decided first.
    parted: Option<String>,
}

impl Printer<'_> {
    /// In UTC, as the daemon writes times. A clock that was set meanwhile shows as it was at the end.
    fn time(&self, moment: Moment) -> String {
        let nanoseconds = moment.as_nanos().wrapping_add(self.header.clock_ahead);
        let time = Timestamp::from_nanosecond(nanoseconds.into());
        time.map_or_else(|_| "?".to_owned(), |time| format!("{time:.6}"))
    }

    fn shown(&self, time: &str) -> String {
        self.palette.paint(Paint::Faint, &self.zone.show(time))
    }

    fn begin(&self, began: Moment) -> Result<(), Failure> {
        if self.arguments.json {
            return Ok(());
        }
        let written = self.time(Moment::from_nanos(self.header.written));
        let Header { program, node, reason, .. } = &self.header;
        terminal::print_more(format!(
            "record of {}, steadfast {}, written {}: {}\nit begins {}\n",
            harmless(node),
            harmless(program),
            self.zone.show(&written),
            harmless(reason),
            self.zone.show(&self.time(began)),
        ))?;
        Ok(())
    }

    fn step(&mut self, step: &Step, machine: &Machine) -> Result<(), Failure> {
        self.steps += 1;
        let time = self.time(step.at);
        let decisions: Vec<Decision> =
            step.actions.iter().map(|action| Decision::of(action, machine)).collect();
        let events = decisions.iter().filter(|decision| matches!(decision, Decision::Event(_))).count();
        self.decisions += u64::try_from(events).unwrap_or(u64::MAX);
        if step.difference.is_some() && self.parted.is_none() {
            self.parted = Some(time.clone());
        }
        let named = &self.arguments.instances;
        let wanted = || decisions.iter().zip(&step.actions).filter(|(decision, _)| decision.concerns(named));
        let is_news = wanted().any(|(_, action)| is_news(action));
        let wanted: Vec<&Decision> = wanted().map(|(decision, _)| decision).collect();
        let input = told::input(&step.input, machine);
        let is_late = self.arguments.since.as_ref().is_none_or(|since| time >= *since);
        let shown = is_late
            && (is_news
                || (self.arguments.verbose
                    && (!wanted.is_empty() || told::concerns(&step.input, named, machine)))
                || step.difference.is_some()
                || step.gap);
        if !shown {
            return Ok(());
        }
        if self.arguments.json {
            let line = serde_json::to_string(&json_step(&time, &input, &wanted, step, machine))? + "\n";
            return Ok(terminal::print_more(line)?);
        }
        let mut text = String::new();
        if step.gap {
            text.push_str("… inputs are missing here\n");
        }
        text.push_str(&format!("{} {input}\n", self.shown(&time)));
        for decision in wanted {
            let paint = match decision {
                Decision::Event(_) => Paint::Strong,
                Decision::Act(..) => Paint::Calm,
            };
            text.push_str(&format!("    {}\n", self.palette.paint(paint, &decision.text())));
        }
        if let Some(difference) = &step.difference {
            let told = difference_text(difference, machine);
            text.push_str(&format!("    {}\n", self.palette.paint(Paint::Bad, &told)));
        }
        Ok(terminal::print_more(text)?)
    }

    fn end(&self, now: Moment) -> Result<u8, Failure> {
        if !self.arguments.json {
            let until = self.zone.show(&self.time(now));
            let counted = format!("{} inputs until {until}, {} events", self.steps, self.decisions);
            terminal::print_more(match &self.parted {
                None => format!("{counted}: the same as at the time\n"),
                Some(_) => format!("{counted}\n"),
            })?;
        }
        let Some(parted) = &self.parted else { return Ok(exit::SUCCESS) };
        let message = format!(
            "from {} on something else is decided here: another version of the program wrote the record?",
            self.zone.show(parted)
        );
        complain(Stream::Error.palette(), &message);
        Ok(exit::FAILURE)
    }
}

/// An advert lower than ours comes again and again.
fn is_news(action: &Action) -> bool {
    match action {
        Action::Event(event) => !event.is_repetition(),
        Action::Announce { .. } | Action::CancelAnnounce { .. } => false,
        _ => true,
    }
}

fn difference_text(difference: &Difference, machine: &Machine) -> String {
    let text = |action: &Option<Box<Action>>| {
        action.as_ref().map_or_else(|| "nothing".to_owned(), |action| Decision::of(action, machine).text())
    };
    match difference {
        Difference::Action { recorded, replayed } => {
            format!("decided at the time: {}; here: {}", text(recorded), text(replayed))
        }
        Difference::State { segment } => {
            format!("the state at the beginning of segment {segment} was another one at the time")
        }
    }
}

fn json_step(time: &str, input: &str, wanted: &[&Decision], step: &Step, machine: &Machine) -> Value {
    let mut events = Vec::new();
    let mut actions = Vec::new();
    for decision in wanted {
        match decision {
            Decision::Event(happening) => {
                let mut event = json!(happening);
                if let Some(fields) = event.as_object_mut() {
                    fields.insert("message".to_owned(), json!(happening.message()));
                }
                events.push(event);
            }
            Decision::Act(..) => actions.push(json!(decision.text())),
        }
    }
    let difference = step.difference.as_ref().map(|difference| difference_text(difference, machine));
    json!({
        "time": time,
        "told": input,
        "events": events,
        "actions": actions,
        "adverts_sent": step.sent.len(),
        "difference": difference,
        "gap": step.gap,
    })
}
