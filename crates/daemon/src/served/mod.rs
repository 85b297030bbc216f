//! The virtual servers that a configuration has, and the servers behind them: those that names stand for in the place of
//! the names.

mod marks;
mod named;
mod packed;
mod revision;

use steadfast_config::model::{VirtualServer, VirtualServerGroup};

pub(crate) use self::marks::Marks;
pub(crate) use self::named::{Endpoint, Known, Query, expand};
pub(crate) use self::packed::{Packed, Shell, Unpacking};
pub(crate) use self::revision::Revision;
use crate::digest::check::{Outline, Outlines};

/// What is served by a packed configuration, as far as names are known, with the marks of its groups.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Served<'a> {
    packed: &'a Packed,
    known: &'a Known,
    marks: &'a Marks,
}

/// A service, and where its virtual server stands.
#[derive(Debug)]
pub(crate) struct Placed {
    pub(crate) place: usize,
    /// Names are among its servers.
    pub(crate) named: bool,
    /// How many servers it has.
    pub(crate) count: usize,
    pub(crate) outline: Outline,
    /// Without its real servers.
    pub(crate) server: VirtualServer,
}

impl<'a> Served<'a> {
    pub(crate) const fn of(packed: &'a Packed, known: &'a Known, marks: &'a Marks) -> Self {
        Self { packed, known, marks }
    }

    /// The groups of addresses and marks.
    pub(crate) fn groups(self) -> Vec<VirtualServerGroup> {
        let mut groups = self.packed.groups();
        self.marks.put(&mut groups);
        groups
    }

    /// The virtual servers, one after another: together they are many times as large.
    pub(crate) fn servers(self) -> impl Iterator<Item = VirtualServer> + 'a {
        self.packed.services().map(move |mut server| {
            expand(self.known, &mut server);
            server
        })
    }

    /// The services, without what is behind them.
    pub(crate) fn services(self) -> Vec<Placed> {
        let groups = self.groups();
        let mut outlines = Outlines::of(&groups);
        let mut unpacking = self.packed.unpacking();
        let mut services = Vec::new();
        for (place, Shell { server, count, named }) in self.packed.shells().enumerate() {
            // There is nothing behind names of which nothing is known.
            let count = if named {
                self.server(&mut unpacking, place).map_or(0, |server| server.real_servers.len())
            } else {
                count
            };
            if let Some(outline) = outlines.outline(&server, count > 0) {
                services.push(Placed { place, named, count, outline, server });
            }
        }
        services
    }

    pub(crate) fn unpacking(self) -> Unpacking<'a> {
        self.packed.unpacking()
    }

    /// The virtual server at a place.
    pub(crate) fn server(self, unpacking: &mut Unpacking<'a>, place: usize) -> Option<VirtualServer> {
        let mut server = unpacking.service(place)?;
        expand(self.known, &mut server);
        Some(server)
    }
}
