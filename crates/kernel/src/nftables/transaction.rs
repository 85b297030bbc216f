//! Changes that happen together or not at all.

use super::expression::Expression;
use super::{Family, Message, SUBSYSTEM};
use crate::error::Result;
use crate::netlink::{AttributeWriter, Batch, Outcome, Requests};

/// NFNL_MSG_BATCH_BEGIN and NFNL_MSG_BATCH_END.
const BATCH: (u16, u16) = (0x10, 0x11);

/// NLM_F_CREATE, and NLM_F_APPEND: rules go behind those that are there.
const CREATE: u16 = 0x400;
const APPEND: u16 = 0x800;

/// NFTA_LIST_ELEM.
const LIST_ELEMENT: u16 = 1;

/// NFT_SET_CONSTANT, NFT_SET_INTERVAL, NFT_SET_MAP and NFT_SET_CONCAT.
const CONSTANT: u32 = 2;
const INTERVAL: u32 = 4;
const MAP: u32 = 8;
const CONCATENATED: u32 = 0x80;

/// Elements that one message names: an attribute has room for 64 KiB.
const ELEMENTS_PER_MESSAGE_MAX: usize = 1_000;

/// Changes to be made together.
#[derive(Debug, Default)]
pub struct Transaction {
    batch: Batch,
    sets: u32,
}

/// A chain that the kernel calls by itself.
#[derive(Debug, Clone, Copy)]
pub(super) struct Hook {
    /// NF_INET_LOCAL_IN or NF_INET_LOCAL_OUT.
    pub(super) number: u32,
    pub(super) priority: i32,
}

/// A set or map to be made. Types are those that nft(8) shows.
#[derive(Debug, Clone, Copy)]
pub(super) struct Set<'a> {
    pub(super) name: &'a str,
    /// Type and length of a key.
    pub(super) key: (u32, u32),
    /// Likewise of what a map gives.
    pub(super) data: Option<(u32, u32)>,
    /// Nothing is added or taken away later.
    pub(super) constant: bool,
    /// Keys are ranges in several fields, with so many octets each.
    pub(super) fields: &'a [u32],
}

impl Set<'_> {
    /// What nft(8) wants to know to show numbers in the order of this machine (NFTNL_UDATA_SET_KEYBYTEORDER and
    /// NFTNL_UDATA_SET_DATABYTEORDER): kind, length, and 1 for such an order, 2 for that of the network.
    fn note(&self) -> Vec<u8> {
        let types = [Some(self.key), self.data];
        let orders =
            types.into_iter().flatten().map(|kind| if [INTERFACE, MARK].contains(&kind) { 1_u32 } else { 2 });
        let notes = (0_u8..).zip(orders);
        notes.flat_map(|(kind, order)| [kind, 4].into_iter().chain(order.to_ne_bytes())).collect()
    }
}

/// The type and length of an interface's index.
pub(super) const INTERFACE: (u32, u32) = (20, 4);

/// Likewise of a mark.
pub(super) const MARK: (u32, u32) = (19, 4);

/// An element.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) key: Vec<u8>,
    /// The last key, if it stands for a range of them.
    pub(super) last: Option<Vec<u8>>,
    /// What a map gives for it.
    pub(super) data: Option<Vec<u8>>,
}

impl Transaction {
    /// Whether nothing would change.
    pub fn is_empty(&self) -> bool {
        self.batch.is_empty()
    }

    /// Makes all of it happen, or nothing.
    ///
    /// # Errors
    /// Only if the socket itself fails; a refusal is an outcome.
    pub fn commit(mut self, requests: &mut Requests) -> Result<Outcome> {
        if self.is_empty() {
            return Ok(Outcome::Done);
        }
        requests.transact(BATCH, &[0, 0, 0, SUBSYSTEM], &mut self.batch)
    }

    fn push(
        &mut self,
        message: Message,
        family: Family,
        flags: u16,
        fill: impl FnOnce(&mut AttributeWriter<'_>),
    ) {
        let mut payload = vec![family.number(), 0, 0, 0];
        fill(&mut AttributeWriter::new(&mut payload));
        self.batch.push_payload(message.number(), flags, &payload);
    }

    /// Makes a table; one of the name may be there.
    pub(super) fn table(&mut self, family: Family, table: &str) {
        self.push(Message::NewTable, family, CREATE, |message| {
            message.text(1, table);
            message.u32_network(2, 0);
        });
    }

    /// Deletes a table with all that is in it.
    pub(super) fn delete_table(&mut self, family: Family, table: &str) {
        self.push(Message::DeleteTable, family, 0, |message| message.text(1, table));
    }

    /// Makes a chain: called by the kernel, or by a rule.
    pub(super) fn chain(&mut self, family: Family, table: &str, chain: &str, hook: Option<Hook>) {
        self.push(Message::NewChain, family, CREATE, |message| {
            message.text(1, table);
            message.text(3, chain);
            if let Some(hook) = hook {
                message.nest(4, |inner| {
                    inner.u32_network(1, hook.number);
                    inner.u32_network(2, hook.priority.cast_unsigned());
                });
                message.u32_network(5, 1);
                message.text(7, "filter");
            }
        });
    }

    pub(super) fn set(&mut self, family: Family, table: &str, set: Set<'_>) {
        self.sets += 1;
        let id = self.sets;
        self.push(Message::NewSet, family, CREATE, |message| {
            message.text(1, table);
            message.text(2, set.name);
            let flag = |number, applies| if applies { number } else { 0 };
            let ranges = flag(INTERVAL | CONCATENATED, !set.fields.is_empty());
            message.u32_network(3, flag(CONSTANT, set.constant) | flag(MAP, set.data.is_some()) | ranges);
            message.u32_network(4, set.key.0);
            message.u32_network(5, set.key.1);
            if let Some((kind, length)) = set.data {
                message.u32_network(6, kind);
                message.u32_network(7, length);
            }
            if !set.fields.is_empty() {
                // NFTA_SET_DESC, NFTA_SET_DESC_CONCAT and NFTA_SET_FIELD_LEN.
                message.nest(9, |description| {
                    description.nest(2, |fields| {
                        for length in set.fields {
                            fields.nest(LIST_ELEMENT, |field| field.u32_network(1, *length));
                        }
                    });
                });
            }
            message.u32_network(10, id);
            message.octets(13, &set.note());
        });
    }

    pub(super) fn rule(&mut self, family: Family, table: &str, chain: &str, expressions: &[Expression<'_>]) {
        self.push(Message::NewRule, family, CREATE | APPEND, |message| {
            message.text(1, table);
            message.text(2, chain);
            message.nest(4, |list| {
                expressions
                    .iter()
                    .for_each(|expression| list.nest(LIST_ELEMENT, |inner| expression.write(inner)));
            });
        });
    }

    pub(super) fn add(&mut self, family: Family, table: &str, set: &str, entries: &[Entry]) {
        self.elements(Message::NewElements, CREATE, family, (table, set), entries);
    }

    pub(super) fn take_away(&mut self, family: Family, table: &str, set: &str, entries: &[Entry]) {
        self.elements(Message::DeleteElements, 0, family, (table, set), entries);
    }

    fn elements(
        &mut self,
        message: Message,
        flags: u16,
        family: Family,
        (table, set): (&str, &str),
        entries: &[Entry],
    ) {
        for entries in entries.chunks(ELEMENTS_PER_MESSAGE_MAX) {
            self.push(message, family, flags, |message| {
                message.text(1, table);
                message.text(2, set);
                message.nest(3, |list| {
                    for Entry { key, last, data } in entries {
                        list.nest(LIST_ELEMENT, |element| {
                            element.nest(1, |value| value.octets(1, key));
                            if let Some(data) = data {
                                element.nest(2, |value| value.octets(1, data));
                            }
                            if let Some(last) = last {
                                element.nest(10, |value| value.octets(1, last));
                            }
                        });
                    }
                });
            });
        }
    }
}
