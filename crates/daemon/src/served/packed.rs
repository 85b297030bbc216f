//! A configuration in few octets. Most of tens of thousands of real servers differ in nothing but their addresses.
//!
//! ```text
//!   rest       everything but the virtual servers and their groups
//!   services   of each: the virtual server alone, and of each real server its address and the number of its settings
//!   settings   real servers without their addresses, each of them once
//! ```

use std::collections::{BTreeMap, VecDeque};
use std::net::{IpAddr, Ipv4Addr};

use serde::{Deserialize, Serialize};
use steadfast_config::model::{Model, RealServer, ServerAddress, VirtualServer, VirtualServerGroup};

/// What stands in the place of an address among the settings.
const NOWHERE: ServerAddress = ServerAddress { address: IpAddr::V4(Ipv4Addr::UNSPECIFIED), port: 0 };

/// Numbers of settings that nobody uses any more and that are kept all the same, so that others keep theirs.
const UNUSED_KEPT: usize = 64;

/// A whole model.
#[derive(Debug, Default)]
pub(crate) struct Packed {
    rest: Box<[u8]>,
    groups: Box<[u8]>,
    services: Pieces,
    settings: Pieces,
}

/// A virtual server without its real servers.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Shell {
    pub(crate) server: VirtualServer,
    /// How many real servers it has.
    pub(crate) count: usize,
    /// Names are among them.
    pub(crate) named: bool,
}

/// A real server.
type Entry = (ServerAddress, u32);

impl Packed {
    /// Packs a model. Where it follows another one, settings keep their numbers, so that what is equal in both has equal
    /// octets.
    pub(crate) fn of(model: &mut Model, before: Option<&Self>) -> Self {
        let servers = std::mem::take(&mut model.virtual_servers);
        let groups = std::mem::take(&mut model.virtual_server_groups);
        let rest = pack(Vec::new(), model).into_boxed_slice();
        (model.virtual_servers, model.virtual_server_groups) = (servers, groups);
        let groups = pack(Vec::new(), &model.virtual_server_groups).into_boxed_slice();
        let known = before.map(|before| before.settings.clone()).unwrap_or_default();
        let mut settings = Numbered::new(known);
        let mut services = pack_services(&mut model.virtual_servers, &mut settings);
        if settings.unused() > settings.numbers.len() / 2 + UNUSED_KEPT {
            settings = Numbered::new(Pieces::default());
            services = pack_services(&mut model.virtual_servers, &mut settings);
        }
        services.compact();
        settings.pieces.compact();
        Self { rest, groups, services, settings: settings.pieces }
    }

    /// The whole model.
    pub(crate) fn model(&self) -> Model {
        Model { virtual_servers: self.services().collect(), ..self.rest() }
    }

    /// The model without virtual servers.
    pub(crate) fn rest(&self) -> Model {
        let rest: Model = postcard::from_bytes(&self.rest).unwrap_or_default();
        Model { virtual_server_groups: self.groups(), ..rest }
    }

    /// The groups of addresses and marks.
    pub(crate) fn groups(&self) -> Vec<VirtualServerGroup> {
        postcard::from_bytes(&self.groups).unwrap_or_default()
    }

    /// The model with these of its virtual servers.
    pub(crate) fn part(&self, places: &[usize]) -> Model {
        let mut unpacking = self.unpacking();
        let servers = places.iter().filter_map(|place| unpacking.service(*place));
        Model { virtual_servers: servers.collect(), ..self.rest() }
    }

    /// The virtual servers, one after another.
    pub(crate) fn services(&self) -> impl Iterator<Item = VirtualServer> + '_ {
        let mut unpacking = self.unpacking();
        (0..self.services.len()).filter_map(move |place| unpacking.service(place))
    }

    /// The virtual servers without what is behind them.
    pub(crate) fn shells(&self) -> impl Iterator<Item = Shell> + '_ {
        self.services.iter().filter_map(|piece| postcard::from_bytes(piece).ok())
    }

    /// To unpack some of the virtual servers.
    pub(crate) fn unpacking(&self) -> Unpacking<'_> {
        Unpacking { packed: self, known: BTreeMap::new() }
    }

    /// The places of virtual servers that the other configuration does not have as they are here, and of those that this
    /// one does not have as they are there.
    pub(crate) fn differing(&self, after: &Self) -> (Vec<usize>, Vec<usize>) {
        if !self.is_comparable(after) {
            return ((0..self.services.len()).collect(), (0..after.services.len()).collect());
        }
        let mut before: BTreeMap<&[u8], VecDeque<usize>> = BTreeMap::new();
        for (place, piece) in self.services.iter().enumerate() {
            before.entry(piece).or_default().push_back(place);
        }
        let mut is_new = |piece: &[u8]| before.get_mut(piece).and_then(VecDeque::pop_front).is_none();
        let new = after.services.iter().enumerate().filter(|(_, piece)| is_new(piece));
        let new = new.map(|(place, _)| place).collect();
        let mut gone: Vec<usize> = before.into_values().flatten().collect();
        gone.sort_unstable();
        (gone, new)
    }

    /// Whether equal octets of two virtual servers mean that they are equal.
    pub(crate) fn is_comparable(&self, after: &Self) -> bool {
        after.settings.begins_with(&self.settings)
    }

    /// The octets of the virtual server at a place.
    pub(crate) fn piece(&self, place: usize) -> Option<&[u8]> {
        self.services.get(place)
    }

    #[cfg(test)]
    fn octets(&self) -> usize {
        let of = |pieces: &Pieces| pieces.octets.capacity() + pieces.ends.capacity() * size_of::<u32>();
        self.rest.len() + of(&self.services) + of(&self.settings)
    }
}

/// Writing to memory cannot fail, and a model has nothing that cannot be written.
fn pack(octets: Vec<u8>, value: &impl Serialize) -> Vec<u8> {
    postcard::to_extend(value, octets).unwrap_or_default()
}

fn pack_services(servers: &mut [VirtualServer], settings: &mut Numbered) -> Pieces {
    let mut services = Pieces::default();
    for server in servers {
        let real = std::mem::take(&mut server.real_servers);
        let named = real.iter().any(|server| server.name.is_some());
        services.begin(&ShellOf { server, count: real.len(), named });
        for real in &real {
            let entry: Entry = (real.address, settings.number(real));
            services.go_on(&entry);
        }
        services.end();
        server.real_servers = real;
    }
    services
}

/// [`Shell`], to be written.
#[derive(Serialize)]
struct ShellOf<'a> {
    server: &'a VirtualServer,
    count: usize,
    named: bool,
}

/// Unpacks virtual servers. Real servers with the same settings share what can be shared.
pub(crate) struct Unpacking<'a> {
    packed: &'a Packed,
    known: BTreeMap<u32, RealServer>,
}

impl Unpacking<'_> {
    /// The virtual server at a place.
    pub(crate) fn service(&mut self, place: usize) -> Option<VirtualServer> {
        let (shell, mut octets): (Shell, _) =
            postcard::take_from_bytes(self.packed.services.get(place)?).ok()?;
        let mut server = shell.server;
        server.real_servers.reserve_exact(shell.count.min(octets.len()));
        for _ in 0..shell.count {
            let ((address, number), rest): (Entry, _) = postcard::take_from_bytes(octets).ok()?;
            octets = rest;
            let settings = self.settings(number)?;
            server.real_servers.push(RealServer { address, ..settings.clone() });
        }
        Some(server)
    }

    fn settings(&mut self, number: u32) -> Option<&RealServer> {
        match self.known.entry(number) {
            std::collections::btree_map::Entry::Occupied(known) => Some(known.into_mut()),
            std::collections::btree_map::Entry::Vacant(unknown) => {
                let piece = self.packed.settings.get(usize::try_from(number).ok()?)?;
                Some(unknown.insert(postcard::from_bytes(piece).ok()?))
            }
        }
    }
}

/// Settings of real servers by number.
struct Numbered {
    pieces: Pieces,
    numbers: BTreeMap<Box<[u8]>, (u32, bool)>,
    /// Nearly always the next one has those of the last.
    last: Option<(RealServer, u32)>,
}

impl Numbered {
    fn new(pieces: Pieces) -> Self {
        let numbers = (0..).zip(pieces.iter()).map(|(number, piece)| (piece.into(), (number, false)));
        Self { numbers: numbers.collect(), pieces, last: None }
    }

    fn number(&mut self, server: &RealServer) -> u32 {
        let settings = RealServer { address: NOWHERE, ..server.clone() };
        if let Some((last, number)) = &self.last
            && *last == settings
        {
            return *number;
        }
        let piece = pack(Vec::new(), &settings);
        let number = match self.numbers.get_mut(piece.as_slice()) {
            Some((number, used)) => {
                *used = true;
                *number
            }
            None => {
                let number = u32::try_from(self.pieces.len()).unwrap_or(u32::MAX);
                self.pieces.begin(&settings);
                self.pieces.end();
                self.numbers.insert(piece.into(), (number, true));
                number
            }
        };
        self.last = Some((settings, number));
        number
    }

    fn unused(&self) -> usize {
        self.numbers.values().filter(|(_, used)| !used).count()
    }
}

/// Pieces of octets, one behind the other.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Pieces {
    octets: Vec<u8>,
    ends: Vec<u32>,
}

impl Pieces {
    /// A piece begins with this.
    fn begin(&mut self, value: &impl Serialize) {
        self.go_on(value);
    }

    fn go_on(&mut self, value: &impl Serialize) {
        self.octets = pack(std::mem::take(&mut self.octets), value);
    }

    /// The piece is whole.
    fn end(&mut self) {
        self.ends.push(u32::try_from(self.octets.len()).unwrap_or(u32::MAX));
    }

    fn len(&self) -> usize {
        self.ends.len()
    }

    fn get(&self, place: usize) -> Option<&[u8]> {
        let start = match place.checked_sub(1) {
            Some(before) => *self.ends.get(before)?,
            None => 0,
        };
        let end = *self.ends.get(place)?;
        self.octets.get(usize::try_from(start).ok()?..usize::try_from(end).ok()?)
    }

    fn iter(&self) -> impl Iterator<Item = &[u8]> {
        (0..self.len()).filter_map(|place| self.get(place))
    }

    fn begins_with(&self, others: &Self) -> bool {
        self.octets.starts_with(&others.octets) && self.ends.starts_with(&others.ends)
    }

    fn compact(&mut self) {
        self.octets.shrink_to_fit();
        self.ends.shrink_to_fit();
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use steadfast_config::{AnyMachine, LoadOptions, Memory, load};

    use super::*;

    fn model(text: &str) -> Model {
        let source = Memory::new().file("k.conf", text);
        load(&source, Path::new("/k.conf"), &AnyMachine, &LoadOptions::default()).model
    }

    fn service(number: usize, servers: usize, weight: u32) -> String {
        let server = |last: usize| {
            let (high, low) = (last / 250, last % 250 + 1);
            format!("real_server 10.1.{high}.{low} 8080 {{\nweight {weight}\nTCP_CHECK {{\n}}\n}}\n")
        };
        let servers: String = (0..servers).map(server).collect();
        format!("virtual_server 10.7.0.{number} 80 {{\ndelay_loop 60\n{servers}}}\n")
    }

    #[test]
    fn a_real_server_like_others_is_an_address_and_a_number() {
        let of = |servers| {
            let mut model = model(&service(1, servers, 1));
            assert_eq!(model.virtual_servers[0].real_servers.len(), servers);
            Packed::of(&mut model, None).octets()
        };
        let each = (of(2_001) - of(1)) / 2_000;
        assert!(each <= 10, "{each} octets");
    }

    #[test]
    fn real_servers_with_the_same_checks_share_them_when_they_are_unpacked() {
        let mut model = model(&service(1, 3, 1));
        let unpacked = Packed::of(&mut model, None).model();
        assert_eq!(unpacked, model);
        let checkers = |place: usize| unpacked.virtual_servers[0].real_servers[place].checkers.as_ptr();
        assert_eq!(checkers(0), checkers(2));
    }

    #[test]
    fn what_differs_is_known_by_its_octets() {
        let before = Packed::of(&mut model(&(1..=3).map(|at| service(at, 4, 1)).collect::<String>()), None);
        let differing = |text: &str| {
            let mut model = model(text);
            let after = Packed::of(&mut model, Some(&before));
            assert_eq!(after.model(), model);
            before.differing(&after)
        };
        let [one, two, three] = [1, 2, 3].map(|at| service(at, 4, 1));
        assert_eq!(differing(&format!("{one}{two}{three}")), (vec![], vec![]));
        assert_eq!(differing(&format!("{three}{one}{two}")), (vec![], vec![]), "in another order");
        assert_eq!(differing(&format!("{one}{}{three}", service(2, 5, 1))), (vec![1], vec![1]));
        assert_eq!(differing(&format!("{one}{two}{}", service(3, 4, 7))), (vec![2], vec![2]));
        assert_eq!(differing(&format!("{two}{three}{two}")).0, [0]);
    }

    #[test]
    fn settings_that_nobody_has_any_more_are_forgotten() {
        let mut packed = Packed::default();
        for weight in 1..=200 {
            packed = Packed::of(&mut model(&service(1, 2, weight)), Some(&packed));
        }
        assert!(packed.settings.len() <= UNUSED_KEPT * 2 + 2, "{}", packed.settings.len());
    }
}
