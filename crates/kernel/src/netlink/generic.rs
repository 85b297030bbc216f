//! Families of NETLINK_GENERIC, which get their numbers when they are loaded.

use netlink_packet_core::NLM_F_ACK;

use super::transport::{AttributeWriter, Attributes, Requests};
use crate::error::{Errno, Error, Result};

/// GENL_ID_CTRL.
const CONTROLLER: u16 = 16;

/// CTRL_CMD_GETFAMILY.
const GET_FAMILY: u8 = 3;

/// CTRL_ATTR_FAMILY_ID and CTRL_ATTR_FAMILY_NAME.
const FAMILY_ID: u16 = 1;
const FAMILY_NAME: u16 = 2;

/// Length of struct genlmsghdr: command, version, and two octets that mean nothing.
pub(crate) const HEADER_BYTES: usize = 4;

/// Begins a message of a family.
pub(crate) fn message(command: u8, version: u8) -> Vec<u8> {
    vec![command, version, 0, 0]
}

/// The number of the family of that name. The kernel loads the module that brings it, if it can.
pub(crate) fn family(requests: &mut Requests, name: &str) -> Result<u16> {
    let attempted = format!("find the netlink family {name}");
    let mut request = message(GET_FAMILY, 1);
    AttributeWriter::new(&mut request).text(FAMILY_NAME, name);
    let mut number = None;
    requests.query(CONTROLLER, NLM_F_ACK, &request, &attempted, |payload| {
        let attributes = Attributes(payload.get(HEADER_BYTES..).unwrap_or_default());
        number = attributes.filter(|attribute| attribute.kind == FAMILY_ID).find_map(|id| id.u16());
    })?;
    number.ok_or_else(|| Error::new(attempted, Errno::NOENT))
}
