//! What keepalived completes and refuses of a BFD session.

use super::keywords::BFD_INSTANCE;
use crate::diagnostic::Diagnostic;
use crate::diagnostic::code::Code;
use crate::model::BfdInstance;
use crate::table::{Context, Seen};

/// Hop limit of a session over IPv6 where none is given.
const DEFAULT_HOP_LIMIT: u8 = 64;

/// Completes a session. False: it cannot be one, which is said.
pub(crate) fn complete(
    bfd: &mut BfdInstance,
    seen: &Seen,
    others: &[BfdInstance],
    context: &mut Context<'_>,
) -> bool {
    let span = bfd.site.0;
    if bfd.neighbor.is_unspecified() {
        let message = format!("bfd_instance '{}' has no neighbor_ip; it is dropped", bfd.name);
        context.push(Diagnostic::new(Code::IncompleteBlock, span, message).of_block());
        return false;
    }
    if bfd.source.is_some_and(|source| source.is_ipv4() != bfd.neighbor.is_ipv4()) {
        let message = format!("bfd_instance '{}': source_ip is of another family", bfd.name);
        context.push(Diagnostic::new(Code::FamilyMismatch, span, message));
        return false;
    }
    let has_limit = ["ttl", "hoplimit"].iter().any(|name| seen.has_name(BFD_INSTANCE, name));
    if bfd.neighbor.is_ipv6() && !has_limit {
        bfd.ttl = DEFAULT_HOP_LIMIT;
    }
    if let Some(other) = others.iter().find(|other| other.neighbor == bfd.neighbor) {
        let message =
            format!("bfd_instance '{}' has the neighbor_ip of '{}'; it is dropped", bfd.name, other.name);
        let diagnostic = Diagnostic::new(Code::GivenTwice, span, message);
        context.push(diagnostic.label(other.site.0, "first here"));
        return false;
    }
    if bfd.multihop {
        let keywords = [("echo_tx", &mut bfd.echo_tx), ("echo_rx", &mut bfd.echo_rx)];
        for (keyword, interval) in keywords {
            // RFC 5883 section 5: whoever is several hops away may be reached, and answer, by different ways.
            if interval.take().is_some() {
                let message =
                    format!("bfd_instance '{}': {keyword} has no effect on a multihop session", bfd.name);
                context.push(Diagnostic::new(Code::SettingIgnored, span, message).of_block());
            }
        }
    }
    let ttl = i16::from(bfd.ttl);
    if bfd.max_hops > ttl {
        bfd.max_hops = ttl;
        let message = format!("bfd_instance '{}': max_hops is lowered to the ttl, {ttl}", bfd.name);
        context.push(Diagnostic::new(Code::ValueReplaced, span, message).of_block());
    }
    true
}
