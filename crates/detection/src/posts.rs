//! Where this router can be watched, and from where it watches.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use steadfast_vrrp::{FastDetection, InterfaceId, Watch};

use crate::pair::Pair;

/// Sessions of routers that watch over this one and that it does not follow itself, at one of its addresses. Their
/// senders may be forged, so that the table has an end: who watches in vain makes room first.
pub const WATCHERS_MAX: usize = 16;

/// Own addresses on their interfaces.
#[derive(Debug, Default)]
pub(crate) struct Posts(BTreeMap<(InterfaceId, IpAddr), Post>);

#[derive(Debug)]
struct Post {
    settings: FastDetection,
    /// A virtual router speaks to a group here: nobody knows who listens.
    to_group: bool,
    peers: BTreeSet<IpAddr>,
}

impl Posts {
    pub(crate) fn of<'a>(watches: impl Iterator<Item = Watch<'a>>) -> Self {
        let mut posts: BTreeMap<(InterfaceId, IpAddr), Post> = BTreeMap::new();
        for watch in watches {
            let post = posts.entry((watch.interface, watch.own)).or_insert_with(|| Post {
                settings: watch.detection,
                to_group: false,
                peers: BTreeSet::new(),
            });
            // One session serves them all: that of the one who waits the shortest.
            post.settings = shorter(post.settings, watch.detection);
            match watch.peers {
                Some(peers) => post.peers.extend(peers.iter().map(|peer| peer.address)),
                None => post.to_group = true,
            }
        }
        Self(posts)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How a session between these two runs; `None` where nobody asks for one.
    pub(crate) fn settings(&self, pair: &Pair) -> Option<FastDetection> {
        self.0.get(&(pair.interface, pair.own)).map(|post| post.settings)
    }

    /// Whether the peer may watch over this router: one of its unicast peers, or anybody on the link of a group.
    pub(crate) fn admits(&self, pair: &Pair) -> bool {
        let post = self.0.get(&(pair.interface, pair.own));
        let stranger = pair.peer == pair.own || pair.peer.is_multicast() || pair.peer.is_unspecified();
        !stranger && post.is_some_and(|post| post.to_group || post.peers.contains(&pair.peer))
    }
}

fn shorter(one: FastDetection, other: FastDetection) -> FastDetection {
    let silence = |detection: &FastDetection| {
        (detection.interval * u32::from(detection.multiplier.get()), detection.interval)
    };
    if silence(&other) < silence(&one) { other } else { one }
}
