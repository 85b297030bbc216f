//! What came of it.

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use serde::{Serialize, Serializer};

use super::scenario::Scenario;

/// What the client's own pace (one ping a millisecond) and a busy machine may add to an outage.
pub const TOLERANCE: Duration = Duration::from_millis(20);

/// All measurements.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// Whether every measurement held.
    pub held: bool,
    /// Time between two adverts.
    #[serde(rename = "advert_interval_ms", serialize_with = "milliseconds")]
    pub advert_interval: Duration,
    /// Added to every limit.
    #[serde(rename = "tolerance_ms", serialize_with = "milliseconds")]
    pub tolerance: Duration,
    /// In the order in which they were made.
    pub scenarios: Vec<Measurement>,
}

/// What the client noticed of one scenario.
#[derive(Debug, Clone, Serialize)]
pub struct Measurement {
    /// What happened.
    pub scenario: Scenario,
    /// Whether every outage was within the limit and the tolerance, and the right router owned the
    /// addresses.
    pub held: bool,
    /// How long the protocol, or the promise of a handover, lets an outage be.
    #[serde(rename = "limit_ms", serialize_with = "milliseconds")]
    pub limit: Duration,
    /// One for each virtual address.
    pub noticed: Vec<Noticed>,
    /// What else was wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remark: Option<String>,
}

/// What the client noticed of one address.
#[derive(Debug, Clone, Serialize)]
pub struct Noticed {
    /// The address that was pinged.
    pub address: IpAddr,
    /// The longest time without an answer.
    #[serde(rename = "outage_ms", serialize_with = "milliseconds")]
    pub outage: Duration,
    /// Pings without an answer.
    pub lost: usize,
}

impl Report {
    pub(super) fn new(advert_interval: Duration, scenarios: Vec<Measurement>) -> Self {
        let held = scenarios.iter().all(|measurement| measurement.held);
        Self { held, advert_interval, tolerance: TOLERANCE, scenarios }
    }
}

impl Measurement {
    pub(super) fn new(
        scenario: Scenario,
        limit: Duration,
        noticed: Vec<Noticed>,
        remark: Option<String>,
    ) -> Self {
        let in_time = noticed.iter().all(|noticed| noticed.outage <= limit + TOLERANCE);
        Self { scenario, held: in_time && remark.is_none(), limit, noticed, remark }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let addresses: Vec<_> =
            self.scenarios.first().map(|first| first.noticed.as_slice()).unwrap_or_default().into();
        write!(f, "{:<14}", "scenario")?;
        for noticed in &addresses {
            write!(f, " {:>22}", format!("outage of {}", noticed.address))?;
        }
        writeln!(f, " {:>12}  held", "limit")?;
        for measurement in &self.scenarios {
            write!(f, "{:<14}", measurement.scenario)?;
            for noticed in &measurement.noticed {
                write!(f, " {:>22}", shown(noticed.outage))?;
            }
            let held = if measurement.held { "yes" } else { "NO" };
            write!(f, " {:>12}  {held}", shown(measurement.limit))?;
            match &measurement.remark {
                Some(remark) => writeln!(f, ": {remark}")?,
                None => writeln!(f)?,
            }
        }
        writeln!(
            f,
            "\nAdverts every {}. A limit holds if it is exceeded by no more than {}, what the client's pace and a busy \
             machine may add.",
            shown(self.advert_interval),
            shown(self.tolerance)
        )
    }
}

/// Milliseconds with tenths.
pub(super) fn shown(duration: Duration) -> String {
    format!("{:.1} ms", duration.as_secs_f64() * 1000.0)
}

fn milliseconds<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64((duration.as_secs_f64() * 1e6).round() / 1e3)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measurement(outage_ms: u64, remark: Option<&str>) -> Measurement {
        let outage = Duration::from_millis(outage_ms);
        let noticed = vec![Noticed { address: [10, 0, 9, 9].into(), outage, lost: 3 }];
        Measurement::new(Scenario::Hang, Duration::from_millis(361), noticed, remark.map(str::to_owned))
    }

    #[test]
    fn limits_hold_within_the_tolerance() {
        assert!(measurement(381, None).held);
        assert!(!measurement(382, None).held);
        assert!(!measurement(1, Some("two owners")).held);
    }

    #[test]
    fn a_report_holds_if_all_do() {
        let report =
            Report::new(Duration::from_millis(100), vec![measurement(1, None), measurement(400, None)]);
        assert!(!report.held);
        let text = report.to_string();
        assert!(text.contains("hang") && text.contains("400.0 ms") && text.contains("NO"), "{text}");
        let json = serde_json::to_value(&report).unwrap();
        assert_eq!(json["scenarios"][1]["noticed"][0]["outage_ms"], 400.0);
        assert_eq!(json["scenarios"][0]["scenario"], "hang");
    }
}
