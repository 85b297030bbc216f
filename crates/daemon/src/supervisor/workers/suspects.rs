//! Who may have changed something in the kernel behind a worker's back.

use std::time::Duration;

use steadfast_control::event::Suspect;
use steadfast_kernel::process::Process;
use steadfast_vrrp::Moment;

/// Programs that are known to remove addresses that they did not make, by their names in process lists, which hold
/// fifteen bytes.
const MANAGERS: [&str; 7] =
    ["systemd-network", "NetworkManager", "dhcpcd", "dhclient", "connmand", "wickedd", "netplan"];
/// Which of them run is looked up this often at most.
const LOOKED_UP_FOR: Duration = Duration::from_secs(1);
/// The largest number that a process can have (proc_sys_kernel(5), `pid_max`), and the part of a port that libnl puts it
/// into when a process has several sockets.
const PID_BITS: u32 = (1 << 22) - 1;
/// From here on the kernel has chosen a number that says nothing: sockets of a process besides its first.
const CHOSEN_BY_KERNEL: u32 = 1 << 31;

/// What was found when it was last asked for.
#[derive(Debug, Default)]
pub(crate) struct Suspects {
    running: Option<(Moment, Vec<String>)>,
}

impl Suspects {
    /// Who asked the kernel by the socket with this port; 0 where the kernel does not say.
    pub(crate) fn of(&mut self, origin: u32, now: Moment) -> Suspect {
        if origin == 0 || origin >= CHOSEN_BY_KERNEL {
            return self.managers(now);
        }
        let living = [origin, origin & PID_BITS].into_iter().find_map(|pid| {
            let name = Process::name_of(pid)?;
            Some(Suspect::Process { pid, name: String::from_utf8_lossy(&name).into_owned() })
        });
        match living {
            Some(suspect) => suspect,
            None if origin <= PID_BITS => Suspect::Ended { pid: origin },
            None => self.managers(now),
        }
    }

    fn managers(&mut self, now: Moment) -> Suspect {
        let known = self.running.take().filter(|(at, _)| now.since(*at) < LOOKED_UP_FOR);
        let (_, names) = self.running.insert(known.unwrap_or_else(|| (now, running())));
        if names.is_empty() { Suspect::Unknown } else { Suspect::Running { names: names.clone() } }
    }
}

fn running() -> Vec<String> {
    let names = Process::all().filter_map(Process::name_of);
    let names = names.filter_map(|name| MANAGERS.into_iter().find(|manager| manager.as_bytes() == name));
    let names: std::collections::BTreeSet<&str> = names.collect();
    names.into_iter().map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_port_of_a_socket_is_the_number_of_its_process() {
        let mut suspects = Suspects::default();
        let (now, own) = (Moment::ZERO, std::process::id());
        let name = String::from_utf8(Process::name_of(own).unwrap()).unwrap();
        let suspect = Suspect::Process { pid: own, name };
        assert_eq!(suspects.of(own, now), suspect);
        // The second socket that libnl opens.
        assert_eq!(suspects.of(own | 1 << 22, now), suspect);
        let nobody = (2..=PID_BITS).rev().find(|pid| Process::name_of(*pid).is_none()).unwrap();
        assert_eq!(suspects.of(nobody, now), Suspect::Ended { pid: nobody });
        let untold = suspects.of(0, now);
        assert!(matches!(untold, Suspect::Running { .. } | Suspect::Unknown), "{untold:?}");
        assert_eq!(suspects.of(u32::MAX - 4096, now), untold);
    }
}
