//! The settings of checks as text: everything that tells one check from others of the same target, and what of it is asked.

use std::collections::BTreeSet;
use std::sync::Arc;

use steadfast_config::model::{CheckKind, Checker, FileCheck, HttpCheck, MiscCheck, TcpCheck};

/// A check as text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Text {
    /// Everything that tells it from others of the same target.
    pub(super) settings: Arc<str>,
    /// What is asked, be it when it may.
    pub(super) question: Arc<str>,
}

/// The texts of checks. Thousands of servers are checked in the same way, and share one.
#[derive(Default)]
pub(super) struct Texts {
    known: BTreeSet<Arc<str>>,
    /// Of whom the last one was: nearly always the next one is the same.
    last: Option<(Checker, Option<String>, Text)>,
}

/// The settings of a check of a kind that asks no host by name, as text.
pub(crate) fn settings_text(checker: &Checker) -> String {
    // A model has nothing that cannot be written.
    serde_json::to_string(checker).unwrap_or_default()
}

impl Texts {
    /// That of a check of a server that is called `host`, if it is called anything.
    pub(super) fn of(&mut self, checker: &Checker, host: Option<&str>) -> Text {
        if let Some((last, last_host, text)) = &self.last
            && last == checker
            && last_host.as_deref() == host
        {
            return text.clone();
        }
        let named = named(checker, host);
        let settings = self.shared(settings_text(&named));
        let question = self.shared(settings_text(&question(&named)));
        let text = Text { settings, question };
        self.last = Some((checker.clone(), host.map(str::to_owned), text.clone()));
        text
    }

    fn shared(&mut self, text: String) -> Arc<str> {
        if let Some(known) = self.known.get(text.as_str()) {
            return Arc::clone(known);
        }
        let shared: Arc<str> = text.into();
        self.known.insert(Arc::clone(&shared));
        shared
    }
}

/// A check that asks for a host by name, where it has no name of its own.
fn named(checker: &Checker, host: Option<&str>) -> Checker {
    let mut named = checker.clone();
    let name = match &mut named.kind {
        CheckKind::Http(http) => &mut http.virtualhost,
        CheckKind::Grpc(grpc) => &mut grpc.virtualhost,
        _ => return named,
    };
    if name.is_none() {
        *name = host.map(Into::into);
    }
    named
}

/// The check without whatever says when it is made, how often, how long it may take, or how its answers are counted and
/// told: the server answers two that differ in nothing else alike.
fn question(checker: &Checker) -> Checker {
    let kind = match &checker.kind {
        CheckKind::Tcp(_) => CheckKind::Tcp(TcpCheck::default()),
        CheckKind::Http(http) => {
            CheckKind::Http(Box::new(HttpCheck { fast_recovery: false, ..http.as_ref().clone() }))
        }
        CheckKind::Misc(misc) => {
            CheckKind::Misc(Box::new(MiscCheck { timeout: None, ..misc.as_ref().clone() }))
        }
        // What the file says by other numbers is known at once.
        CheckKind::File(file) => {
            let track_file = Arc::clone(&file.track_file);
            CheckKind::File(Box::new(FileCheck { track_file, ..FileCheck::default() }))
        }
        other => other.clone(),
    };
    Checker { connection: checker.connection.clone(), ..Checker::new(kind) }
}

#[cfg(test)]
mod tests {
    use steadfast_config::model::Model;
    use steadfast_config::{AnyMachine, LoadOptions, Memory, load};

    use super::*;

    fn model(of_service: &str, check: &str) -> Model {
        let text = format!(
            "track_file f {{\n file /run/f\n}}\n\
             virtual_server 192.0.2.1 80 {{\n {of_service}\n real_server 192.0.2.9 80 {{\n {check}\n }}\n}}\n"
        );
        let source = Memory::new().file("k.conf", text.as_str());
        load(&source, "/k.conf".as_ref(), &AnyMachine, &LoadOptions::default()).model
    }

    fn text(of_service: &str, check: &str) -> Text {
        let model = model(of_service, check);
        let server = &model.virtual_servers[0];
        assert_eq!(server.real_servers[0].checkers.len(), 1, "{check}");
        Texts::default().of(&server.real_servers[0].checkers[0], server.virtualhost.as_deref())
    }

    #[test]
    fn other_timings_ask_the_same() {
        let before = text("", "HTTP_GET {\n url {\n path /\n status_code 200\n }\n }");
        let timed = |setting: &str| {
            let check = format!("HTTP_GET {{\n {setting}\n url {{\n path /\n status_code 200\n }}\n }}");
            text("", &check)
        };
        for setting in [
            "delay_loop 7",
            "retry 4",
            "delay_before_retry 9",
            "warmup 3",
            "connect_timeout 2",
            "check_timeout 8",
            "log_all_failures",
            "alpha",
            "fast_recovery",
        ] {
            let after = timed(setting);
            assert_eq!(after.question, before.question, "{setting}");
            assert_ne!(after.settings, before.settings, "{setting}");
        }
        for setting in ["connect_port 81", "bindto 192.0.2.7", "fwmark 3", "virtualhost other"] {
            assert_ne!(timed(setting).question, before.question, "{setting}");
        }
        assert_eq!(
            text("delay_loop 9\nretry 2", "PING_CHECK {\n }").question,
            text("", "PING_CHECK {\n }").question
        );
    }

    #[test]
    fn how_an_answer_is_counted_is_no_other_question() {
        for (before, after, same) in [
            ("TCP_CHECK {\n }", "TCP_CHECK {\n close_in_order\n }", true),
            (
                "MISC_CHECK {\n misc_path /bin/a\n }",
                "MISC_CHECK {\n misc_path /bin/a\n misc_timeout 3\n }",
                true,
            ),
            ("MISC_CHECK {\n misc_path /bin/a\n }", "MISC_CHECK {\n misc_path /bin/b\n }", false),
            ("FILE_CHECK {\n track_file f\n }", "FILE_CHECK {\n track_file f\n weight 3 reverse\n }", true),
            ("DNS_CHECK {\n }", "DNS_CHECK {\n name example.org\n }", false),
            ("TCP_CHECK {\n }", "PING_CHECK {\n }", false),
        ] {
            let (before, after) = (text("", before), text("", after));
            assert_ne!(before.settings, after.settings, "{after:?}");
            assert_eq!(before.question == after.question, same, "{after:?}");
        }
    }

    #[test]
    fn a_check_asks_for_the_host_of_its_server_unless_it_has_its_own() {
        let page = "url {\n path /\n status_code 200\n }";
        let own = format!("HTTP_GET {{\n virtualhost one\n {page}\n }}");
        let any = format!("HTTP_GET {{\n {page}\n }}");
        assert_eq!(text("virtualhost one", &any), text("", &own));
        assert_eq!(text("virtualhost two", &own), text("", &own));
        assert_ne!(text("virtualhost two", &any).question, text("", &own).question);
    }
}
