//! A model as text that reads back as the same model.

use std::fmt::Write as _;

use crate::language::checkers;
use crate::language::global::keywords::GLOBAL;
use crate::language::kinds::{self, Kind};
use crate::language::root::{ROOT, of_global};
use crate::language::servers::keywords::{REAL_SERVER, SSL, VIRTUAL_SERVER};
use crate::language::servers::read::head_of_real_server;
use crate::model::{Global, Model, RealServer, VirtualServer};
use crate::table::notation::quote;
use crate::table::shown::{arguments, is_alias, statements, written};
use crate::table::{Keywords, Support};

/// The configuration that means this model, every value written out.
pub fn print(model: &Model) -> String {
    let mut printer = Printer::default();
    printer.global(&model.global);
    printer.blocks(&kinds::TRACK_FILES, model);
    printer.blocks(&kinds::TRACK_PROCESSES, model);
    printer.blocks(&kinds::BFD_INSTANCES, model);
    printer.blocks(&kinds::SCRIPTS, model);
    printer.blocks(&kinds::TRACK_GROUPS, model);
    printer.blocks(&kinds::GARP_GROUPS, model);
    for listing in &kinds::LISTINGS {
        printer.list(listing.keyword, (listing.lines)(model));
    }
    printer.blocks(&kinds::INSTANCES, model);
    printer.blocks(&kinds::SYNC_GROUPS, model);
    if let Some(ssl) = &model.ssl {
        printer.block(kinds::SSL, statements(SSL, ssl, None));
    }
    for group in &model.virtual_server_groups {
        let head = format!("{} {}", kinds::VIRTUAL_SERVER_GROUP, quote(&group.name));
        printer.list(&head, kinds::group_lines(group));
    }
    for server in &model.virtual_servers {
        printer.virtual_server(server);
    }
    printer.text
}

#[derive(Default)]
struct Printer {
    text: String,
    depth: usize,
}

impl Printer {
    fn line(&mut self, words: &str) {
        for line in words.trim_end().lines() {
            let indent = self.depth * 4;
            // A string takes any text.
            let _ = writeln!(self.text, "{:indent$}{line}", "");
        }
    }

    fn lines(&mut self, lines: Vec<String>) {
        lines.iter().for_each(|line| self.line(line));
    }

    fn block(&mut self, head: &str, lines: Vec<String>) {
        self.block_with(head, |printer| printer.lines(lines));
    }

    fn block_with(&mut self, head: &str, body: impl FnOnce(&mut Self)) {
        self.line(&format!("{head} {{"));
        self.depth += 1;
        body(self);
        self.depth -= 1;
        self.line("}");
    }

    /// Nothing where there are no lines.
    fn list(&mut self, head: &str, lines: Vec<String>) {
        if !lines.is_empty() {
            self.block(head, lines);
        }
    }

    fn blocks<T>(&mut self, kind: &Kind<T>, model: &Model) {
        for entity in (kind.of)(model) {
            let head = match (kind.name)(entity) {
                "" => kind.keyword.to_owned(),
                name => format!("{} {}", kind.keyword, quote(name)),
            };
            self.block(&head, statements(kind.keywords, entity, None));
        }
    }

    fn global(&mut self, global: &Global) {
        self.lines(with_defaults(ROOT, &of_global(global), &of_global(&Global::default())));
        self.block(kinds::GLOBAL_DEFS, with_defaults(GLOBAL, global, &Global::default()));
    }

    fn virtual_server(&mut self, server: &VirtualServer) {
        let head = kinds::head_of_service(server);
        self.block_with(&format!("{} {head}", kinds::VIRTUAL_SERVER), |p| {
            p.lines(statements(VIRTUAL_SERVER, server, None));
            for server in &server.real_servers {
                p.real_server(server);
            }
        });
    }

    fn real_server(&mut self, server: &RealServer) {
        let head = head_of_real_server(server);
        self.block_with(&format!("{} {head}", kinds::REAL_SERVER), |p| {
            p.lines(statements(REAL_SERVER, server, None));
            for checker in server.checkers.iter() {
                let (keyword, lines) = checkers::show::show(checker);
                p.block(keyword, lines);
            }
        });
    }
}

/// The statements with their defaults, but for those of what is not active.
fn with_defaults<T>(keywords: &'static Keywords<T>, target: &T, default: &T) -> Vec<String> {
    let mut lines = Vec::new();
    for keyword in keywords.iter().filter(|keyword| !is_alias(keywords, keyword)) {
        let shown = arguments(keyword, target);
        if keyword.entry.support == Support::Active || arguments(keyword, default) != shown {
            lines.extend(written(keyword, shown));
        }
    }
    lines
}
