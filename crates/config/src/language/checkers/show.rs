//! Checkers written back.

use super::keywords::{BFD, COMMON, CONNECTION, DNS, FILE, GRPC, HTTP, MISC, PLAIN, SMTP, TCP, TLS, UDP};
use crate::language::servers::blocks::{BfdCheckDraft, SmtpCheckDraft};
use crate::model::{CheckKind, Checker, HttpCheck};
use crate::table::shown::statements;

/// The keyword of a checker, and the statements in its block.
pub(crate) fn show(checker: &Checker) -> (&'static str, Vec<String>) {
    let common = statements(COMMON, checker, None);
    let connecting = || {
        let connection = statements(CONNECTION, checker, None);
        common.iter().cloned().chain(connection).collect::<Vec<_>>()
    };
    let (keyword, before, own) = match &checker.kind {
        CheckKind::Tcp(tcp) => ("TCP_CHECK", connecting(), statements(TCP, tcp, None)),
        CheckKind::Ping => ("PING_CHECK", connecting(), Vec::new()),
        CheckKind::Smtp(name) => {
            let draft = SmtpCheckDraft { helo_name: Some(name.clone()) };
            ("SMTP_CHECK", connecting(), statements(SMTP, &draft, None))
        }
        CheckKind::Udp(udp) => ("UDP_CHECK", connecting(), statements(UDP, udp, None)),
        CheckKind::Grpc(grpc) => ("GRPC_CHECK", connecting(), statements(GRPC, grpc, None)),
        CheckKind::Dns(dns) => ("DNS_CHECK", connecting(), statements(DNS, dns, None)),
        CheckKind::Http(http) => {
            let default = HttpCheck { tls: http.tls, ..HttpCheck::default() };
            let (keyword, more) = if http.tls { ("SSL_GET", TLS) } else { ("HTTP_GET", PLAIN) };
            let mut own = statements(HTTP, http, Some(&default));
            own.extend(statements(more, http, Some(&default)));
            (keyword, connecting(), own)
        }
        CheckKind::Misc(misc) => ("MISC_CHECK", common, statements(MISC, misc, None)),
        CheckKind::File(file) => ("FILE_CHECK", Vec::new(), statements(FILE, file, None)),
        CheckKind::Bfd(session) => {
            let draft = BfdCheckDraft { session: Some(session.clone()), alpha: checker.alpha };
            ("BFD_CHECK", Vec::new(), statements(BFD, &draft, None))
        }
    };
    (keyword, before.into_iter().chain(own).collect())
}

/// The same, the blocks in its block line by line.
pub(crate) fn in_lines(checker: &Checker) -> (&'static str, Vec<String>) {
    let (keyword, lines) = show(checker);
    let lines = lines.iter().flat_map(|line| line.lines()).map(|line| line.trim().to_owned());
    (keyword, lines.filter(|line| line != "}").collect())
}
