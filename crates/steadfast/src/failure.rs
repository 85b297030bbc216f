//! Why a subcommand did not do its work, and what to do about it.

use std::io;
use std::path::PathBuf;

use steadfast_config::Code;
use steadfast_control::client::ClientError;
use steadfast_control::daemons::{self, Daemon};

use crate::exit;
use crate::terminal::{Stream, complain};

/// Why a subcommand failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// The daemon could not be asked.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// No daemon was found on this machine.
    #[error("no daemon runs on this machine, as far as this user can see")]
    NoDaemon,
    /// Standard output could not be written.
    #[error("cannot write to standard output: {0}")]
    Output(#[from] io::Error),
    /// A value could not be written as JSON.
    #[error("cannot write JSON: {0}")]
    Json(#[from] serde_json::Error),
    /// The lab could not be set up, or a router in it did not do its work.
    #[error("{0}")]
    Lab(String),
    /// The kernel did not tell about the interfaces.
    #[error("{0}")]
    Kernel(#[from] steadfast_kernel::Error),
    /// A file could not be read or written.
    #[error("{}: {source}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// A flight record cannot be run.
    #[error("{}: {reason}", path.display())]
    Record {
        /// Which.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// A configuration has errors, which are told.
    #[error("{} cannot be used as it is", path.display())]
    Configuration {
        /// Which.
        path: PathBuf,
    },
    /// A configuration has errors, which are told, and is shown nevertheless.
    #[error("{} has errors: this is what is understood of it", path.display())]
    Understood {
        /// Which.
        path: PathBuf,
    },
    /// A file that the daemon reads was to be read in another way; what to do instead.
    #[error("without OLD, the daemon reads NEW in its own way: {0}")]
    ReadByDaemon(&'static str),
    /// A daemon was named that has nothing to do with the answer.
    #[error("with OLD and NEW no daemon is asked: leave out --control-socket, --pid and --namespace")]
    NobodyAsked,
    /// One code is to be passed over and to be failed on.
    #[error(
        "--allow {code} and --deny {code} contradict each other: what is passed over is not there to fail on"
    )]
    Contradiction {
        /// Which.
        code: Code,
    },
    /// Standard input could not be read.
    #[error("cannot read standard input: {0}")]
    Input(io::Error),
    /// Rules for the kernel's load balancer are wrong.
    #[error("nothing was done: {0}")]
    Rules(String),
    /// A server did not give a page.
    #[error("there is no digest: {0}")]
    Page(String),
    /// A keyword was asked for that does not exist.
    #[error("there is no keyword '{word}'{}", nearest(*.near))]
    NoKeyword {
        /// What was asked for.
        word: String,
        /// What may be meant.
        near: Option<&'static str>,
    },
    /// An instance or virtual server was asked for that does not exist.
    #[error("there is no instance, virtual server or address '{name}'; {}", existing(.names))]
    NoInstance {
        /// What was asked for.
        name: String,
        /// What there is.
        names: Vec<String>,
    },
}

impl Failure {
    /// Tells the user, and gives the exit status.
    pub(crate) fn report(&self) -> u8 {
        match self {
            // Whoever read our output has seen enough.
            Self::Output(error) if error.kind() == io::ErrorKind::BrokenPipe => return exit::SUCCESS,
            Self::Json(error) if error.io_error_kind() == Some(io::ErrorKind::BrokenPipe) => {
                return exit::SUCCESS;
            }
            _ => {}
        }
        complain(Stream::Error.palette(), &self.to_string());
        if let Some(advice) = self.advice() {
            complain_more(&advice);
        }
        self.status()
    }

    fn status(&self) -> u8 {
        match self {
            Self::Client(error) if is_absence(error) => exit::NO_DAEMON,
            Self::NoDaemon => exit::NO_DAEMON,
            Self::ReadByDaemon(_) | Self::NobodyAsked | Self::Contradiction { .. } => exit::USAGE,
            _ => exit::FAILURE,
        }
    }

    fn advice(&self) -> Option<String> {
        let Self::Client(error) = self else { return None };
        Some(match error {
            ClientError::Missing { .. } | ClientError::NobodyListens { .. } => {
                let mut advice = "Is the daemon running? See `systemctl status steadfast` or `pgrep -a steadfast`.\n\
                 A daemon with another pid file, an instance name or a network namespace has its socket elsewhere: name\n\
                 it with -p PIDFILE, -s NAMESPACE or --control-socket PATH."
                    .to_owned();
                advice.extend(living(&daemons::running()));
                advice
            }
            ClientError::NotAllowed { .. } => {
                "Run this as root, or start the daemon with --control-group GROUP and be a member of it."
                    .to_owned()
            }
            ClientError::Silent(_) => {
                "Its process may be stopped or starved; see `ps -o stat,wchan` and the log.".to_owned()
            }
            _ => return None,
        })
    }
}

/// What to type for the daemons that do run.
fn living(found: &[Daemon]) -> Option<String> {
    if found.is_empty() {
        return None;
    }
    let commands: String =
        found.iter().map(|daemon| format!("\n  steadfast status{}", daemon.options())).collect();
    Some(format!("\nRunning are:{commands}\nAll of them: steadfast status --all"))
}

fn is_absence(error: &ClientError) -> bool {
    matches!(
        error,
        ClientError::Missing { .. }
            | ClientError::NobodyListens { .. }
            | ClientError::NotAllowed { .. }
            | ClientError::Connect { .. }
    )
}

fn complain_more(text: &str) {
    use std::io::Write as _;
    // Nothing can be said when the terminal is gone.
    let _ = writeln!(io::stderr(), "{text}");
}

fn nearest(near: Option<&str>) -> String {
    near.map_or_else(
        || "; `steadfast keywords` lists them".to_owned(),
        |near| format!("; did you mean '{near}'?"),
    )
}

fn existing(names: &[String]) -> String {
    /// More would hide the message.
    const SHOWN_MAX: usize = 20;
    if names.is_empty() {
        return "none is configured".to_owned();
    }
    let shown: Vec<&str> = names.iter().take(SHOWN_MAX).map(String::as_str).collect();
    let rest = names.len().saturating_sub(SHOWN_MAX);
    let tail = if rest > 0 { format!(" and {rest} more") } else { String::new() };
    format!("there are: {}{tail}", shown.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failure(error: ClientError) -> Failure {
        Failure::Client(error)
    }

    #[test]
    fn an_absent_daemon_names_the_path_and_a_way_on() {
        let failure = failure(ClientError::Missing { path: PathBuf::from("/run/x.sock") });
        assert_eq!(failure.status(), exit::NO_DAEMON);
        assert!(failure.to_string().contains("/run/x.sock"));
        assert!(failure.advice().unwrap().contains("-p PIDFILE"));
    }

    #[test]
    fn a_forbidden_socket_names_root_and_the_group() {
        let failure = failure(ClientError::NotAllowed { path: PathBuf::from("/run/x.sock") });
        assert_eq!(failure.status(), exit::NO_DAEMON);
        assert!(failure.advice().unwrap().contains("--control-group"));
    }

    #[test]
    fn a_closed_pipe_is_no_failure() {
        let failure = Failure::from(io::Error::from(io::ErrorKind::BrokenPipe));
        assert_eq!(failure.report(), exit::SUCCESS);
    }

    #[test]
    fn a_wrong_instance_lists_the_right_ones() {
        let failure = Failure::NoInstance {
            name: "VI_2".to_owned(),
            names: (0..25).map(|number| format!("V{number}")).collect(),
        };
        assert!(failure.to_string().ends_with("V18, V19 and 5 more"), "{failure}");
    }
}
