use std::net::{IpAddr, Ipv4Addr};

use super::*;
use crate::ipvs::{Forwarding, Name};

fn key(number: u8) -> ServerKey {
    ServerKey { address: IpAddr::V4(Ipv4Addr::new(192, 0, 2, number)), port: 80 }
}

fn server(weight: u32) -> Server {
    Server { forwarding: Forwarding::Direct, weight, upper_threshold: 0, lower_threshold: 0 }
}

fn service(scheduler: &str) -> Service {
    let scheduler = Name::new(scheduler).unwrap();
    Service { scheduler, scheduler_flags: Default::default(), one_packet: false, persistence: None }
}

/// Wanted and present, each held in full.
#[derive(Default)]
struct Naive {
    wanted: Option<(Service, BTreeMap<ServerKey, Server>)>,
    present: Option<(Service, BTreeMap<ServerKey, Server>)>,
}

impl Naive {
    fn of(&self, wanted: bool) -> Option<&(Service, BTreeMap<ServerKey, Server>)> {
        if wanted { self.wanted.as_ref() } else { self.present.as_ref() }
    }

    fn assert_is(&self, held: &Held) {
        assert_eq!(held.wanted_service(), self.of(true).map(|(service, _)| service));
        assert_eq!(held.present_service(), self.of(false).map(|(service, _)| service));
        let servers = |wanted| self.of(wanted).map(|(_, servers)| servers.clone()).unwrap_or_default();
        assert_eq!(held.wanted_servers().collect::<BTreeMap<_, _>>(), servers(true));
        assert_eq!(held.present_servers().collect::<BTreeMap<_, _>>(), servers(false));
        for number in 0..8 {
            assert_eq!(held.present_server(key(number)), servers(false).get(&key(number)).copied());
        }
        let differ = (0..8).map(key).filter(|key| servers(true).get(key) != servers(false).get(key));
        let differ: Vec<_> = differ.filter(|_| self.present.is_some()).collect();
        assert_eq!(held.differing().collect::<Vec<_>>(), differ);
    }
}

/// Any order of wishes and of what the kernel is found to have.
#[test]
fn what_is_held_as_a_difference_is_what_would_be_held_in_full() {
    let (mut held, mut naive) = (Held::default(), Naive::default());
    let mut random = 1_u64;
    for _ in 0..20_000 {
        // Marsaglia's xorshift.
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        let [kind, number, weight, scheduler, ..] = random.to_be_bytes();
        let (key, server) = (key(number % 8), server(u32::from(weight % 3)));
        let service = service(if scheduler % 2 == 0 { "rr" } else { "wlc" });
        match kind % 32 {
            0 => {
                held.unwish();
                naive.wanted = None;
            }
            1..=3 => {
                held.wish(service.clone());
                naive.wanted.get_or_insert_with(|| (service.clone(), BTreeMap::new())).0 = service.clone();
            }
            4 => {
                held.gone();
                naive.present = None;
            }
            5 => {
                held.added(service.clone());
                naive.present = Some((service, BTreeMap::new()));
            }
            6 => {
                let servers = BTreeMap::from([(key, server)]);
                held.found(service.clone(), &servers);
                naive.present = Some((service, servers));
            }
            7 => {
                held.found_service(service.clone());
                naive.present.iter_mut().for_each(|present| present.0 = service.clone());
            }
            8..=14 => {
                held.wish_server(key, server);
                naive.wanted.iter_mut().for_each(|wanted| {
                    wanted.1.insert(key, server);
                });
            }
            15..=20 => {
                held.unwish_server(key);
                naive.wanted.iter_mut().for_each(|wanted| {
                    wanted.1.remove(&key);
                });
            }
            21..=27 => {
                held.found_server(key, Some(server));
                naive.present.iter_mut().for_each(|present| {
                    present.1.insert(key, server);
                });
            }
            _ => {
                held.found_server(key, None);
                naive.present.iter_mut().for_each(|present| {
                    present.1.remove(&key);
                });
            }
        }
        naive.assert_is(&held);
    }
}
