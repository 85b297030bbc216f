//! How fast addresses move when something dies, beyond what adverts can tell.

use std::net::{IpAddr, Ipv4Addr};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use steadfast_lab::capture::Capture;
use steadfast_lab::segment::address_v4;
use steadfast_lab::{Program, Segment, wait};
use steadfast_wire::vrrp::Vrid;

use crate::configuration::{GLOBAL, address, router, routers};
use crate::measure::{HIGH, LIMIT, LOW, SETTLED_AFTER, Size, held, milliseconds, start_daemon};
use crate::table::Figure;

/// For sessions to come up: they begin with a packet a second.
const SESSIONS_UP: Duration = Duration::from_secs(3);
/// Virtual routers that speak while another one gets its addresses, and how often.
const SPEAKERS: u8 = 20;
const SPEAKERS_INTERVAL: Duration = Duration::from_millis(100);
/// Addresses that move at once.
const MOVED: u16 = 1_000;

/// All virtual routers of a master that loses its power, with adverts at a second. Of the two programs one has the option.
pub(crate) fn fast_detection(program: &Program, size: Size) -> Result<Vec<Figure>> {
    let segment = Segment::new()?;
    let [high, low, client] = [segment.host("high")?, segment.host("low")?, segment.host("client")?];
    let option =
        if matches!(program, Program::Steadfast(_)) { "global_defs {\n    fast_detection\n}\n" } else { "" };
    let configuration = |priority| routers(size.instances, priority, 1.0, 1) + option;
    let master = start_daemon(&high, program, &configuration(HIGH))?;
    let instances = usize::from(size.instances);
    ensure!(wait::until(LIMIT, || held(&high) == instances), "nobody became master:\n{}", master.log_tail());
    let _backup = start_daemon(&low, program, &configuration(LOW))?;
    std::thread::sleep(SETTLED_AFTER + SESSIONS_UP);
    let capture = Capture::start(&client)?;
    let begin = Instant::now();
    std::thread::sleep(Duration::from_secs(size.seconds));
    let from_low = |since: Instant, vrid: u16| {
        let vrid = u8::try_from(vrid).ok().and_then(Vrid::new);
        let adverts = vrid.map(|vrid| capture.adverts(vrid, since)).unwrap_or_default();
        adverts.into_iter().find(|(_, advert)| advert.source == IpAddr::V4(address_v4(2))).map(|(at, _)| at)
    };
    let falsely = (1..=size.instances).filter(|vrid| from_low(begin, *vrid).is_some()).count();
    let since = Instant::now();
    segment.isolate(&high)?;
    let first_arp =
        |instance| capture.gratuitous_arps(address(instance, 0), since).into_iter().map(|(at, _)| at).next();
    let all = || (0..size.instances).all(|instance| first_arp(instance).is_some());
    let looking = || {
        std::thread::sleep(Duration::from_millis(20));
        all()
    };
    ensure!(wait::until(LIMIT, looking), "not every address moved");
    let last = |times: &mut dyn Iterator<Item = Option<Instant>>| -> Result<f64> {
        let last = times.flatten().max().context("nothing moved")?;
        Ok(milliseconds(last - since))
    };
    Ok(vec![
        Figure::new(
            "power loss to the last advert of the backup, ms",
            last(&mut (1..=size.instances).map(|vrid| from_low(since, vrid)))?,
        ),
        Figure::new(
            "power loss to the last announced address, ms",
            last(&mut (0..size.instances).map(first_arp))?,
        ),
        Figure::new("taken over from a living master before", f64::from(u32::try_from(falsely)?)),
    ])
}

/// The uplink of the master loses its power: a session of 5 ms, three times, which the virtual router follows.
pub(crate) fn session(program: &Program) -> Result<Vec<Figure>> {
    let segment = Segment::new()?;
    let [high, low, uplink, client] =
        [segment.host("high")?, segment.host("low")?, segment.host("uplink")?, segment.host("client")?];
    let session = |neighbour: u8| {
        format!(
            "bfd_instance uplink {{\n    neighbor_ip {}\n    min_rx 5\n    min_tx 5\n    multiplier 3\n}}\n",
            address_v4(neighbour)
        )
    };
    let moved = address_v4(100);
    let virtual_router =
        |priority, more: &str| GLOBAL.to_owned() + &router(1, priority, 0.01, std::iter::once(moved), more);
    let of_uplink = session(1);
    let following = session(3) + &virtual_router(HIGH, "    track_bfd {\n        uplink\n    }\n");
    let _uplink = start_daemon(&uplink, program, &of_uplink)?;
    let master = start_daemon(&high, program, &following)?;
    ensure!(wait::until(LIMIT, || high.has(moved.into())), "nobody became master:\n{}", master.log_tail());
    let _backup = start_daemon(&low, program, &virtual_router(LOW, ""))?;
    std::thread::sleep(SETTLED_AFTER + SESSIONS_UP);
    ensure!(high.has(moved.into()) && !low.has(moved.into()), "the session does not stay up");
    let capture = Capture::start(&client)?;
    let since = Instant::now();
    segment.isolate(&uplink)?;
    let announced = || {
        let arps = capture.gratuitous_arps(moved, since);
        arps.into_iter().map(|(at, _)| at).next()
    };
    ensure!(
        wait::until(LIMIT, || announced().is_some()),
        "the backup did not take over:\n{}",
        master.log_tail()
    );
    let at = announced().context("it was announced")?;
    Ok(vec![Figure::new("power loss to the address at the backup, ms", milliseconds(at - since))])
}

/// A thousand addresses come to a router that speaks for others meanwhile.
pub(crate) fn many_addresses(program: &Program) -> Result<Vec<Figure>> {
    let segment = Segment::new()?;
    let [high, low, client] = [segment.host("high")?, segment.host("low")?, segment.host("client")?];
    let moved =
        (0..MOVED).map(|number| Ipv4Addr::from(u32::from(Ipv4Addr::new(10, 1, 0, 0)) + u32::from(number)));
    let excluded: String = moved.map(|address| format!("        {address}/32\n")).collect();
    let excluded = format!("    virtual_ipaddress_excluded {{\n{excluded}    }}\n");
    let interval = SPEAKERS_INTERVAL.as_secs_f64();
    let virtual_router = |vrid: u8, priority, address, more: &str| {
        router(u16::from(vrid), priority, interval, std::iter::once(address_v4(address)), more)
    };
    let large = |priority| GLOBAL.to_owned() + &virtual_router(1, priority, 100, &excluded);
    let speaker = |vrid: u8| virtual_router(vrid, LOW, 100 + vrid, "");
    let speakers: String = (2..2 + SPEAKERS).map(speaker).collect();
    let master = start_daemon(&high, program, &large(HIGH))?;
    let all = usize::from(MOVED);
    ensure!(wait::until(LIMIT, || held(&high) == all), "nobody became master:\n{}", master.log_tail());
    let backup = start_daemon(&low, program, &(large(LOW) + &speakers))?;
    let own = IpAddr::V4(address_v4(100 + 1 + SPEAKERS));
    ensure!(wait::until(LIMIT, || low.has(own)), "no other became master:\n{}", backup.log_tail());
    std::thread::sleep(SETTLED_AFTER);
    let capture = Capture::start(&client)?;
    let since = Instant::now();
    segment.isolate(&high)?;
    // To look costs time: once it has begun, and then seldom.
    let looking = || {
        std::thread::sleep(Duration::from_millis(200));
        held(&low) == all
    };
    ensure!(wait::until(LIMIT, looking), "{} of {all} addresses moved:\n{}", held(&low), backup.log_tail());
    let took = since.elapsed();
    std::thread::sleep(SETTLED_AFTER);
    let mut longest = Duration::ZERO;
    for vrid in (1..2 + SPEAKERS).filter_map(Vrid::new) {
        let adverts = capture.adverts(vrid, since);
        let own = adverts.iter().filter(|(_, advert)| advert.source == IpAddr::V4(address_v4(2)));
        let times: Vec<Instant> = own.map(|(at, _)| *at).collect();
        ensure!(times.len() > 1, "virtual router {vrid} fell silent");
        longest = times
            .windows(2)
            .filter_map(|pair| Some(*pair.get(1)? - *pair.first()?))
            .fold(longest, Duration::max);
    }
    Ok(vec![
        Figure::new("longest gap between two adverts at 100 ms, ms", milliseconds(longest)),
        Figure::new("power loss to the last address, ms", milliseconds(took)),
    ])
}
