//! The subcommands around the load balancer that need no daemon.

use std::net::IpAddr;
use std::time::Duration;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, Subcommand};
use steadfast_probe::http::Version;

/// `steadfast ipvs`
#[derive(Debug, Clone, PartialEq, Eq, Args)]
#[command(after_help = "Examples:
  steadfast ipvs save >rules                 keep what the kernel has
  steadfast ipvs restore --clear <rules      put it back in place of what is there")]
pub(crate) struct IpvsArguments {
    #[command(subcommand)]
    pub(crate) command: IpvsCommand,
}

/// What to do with the table.
#[derive(Debug, Clone, PartialEq, Eq, Subcommand)]
pub(crate) enum IpvsCommand {
    /// Print the table as rules that `steadfast ipvs restore` and `ipvsadm -R` read
    #[command(after_help = "Example:
  steadfast ipvs save >rules

The rules are those of `ipvsadm -Sn`, in order, with the connection thresholds that ipvsadm leaves out.")]
    Save,
    /// Carry out rules as `ipvsadm -Sn` and `steadfast ipvs save` print them
    Restore(RestoreArguments),
}

/// `steadfast ipvs restore`
#[derive(Debug, Clone, PartialEq, Eq, Args)]
#[command(after_help = "Example:
  steadfast ipvs restore --clear <rules

Nothing is done while any line is not understood. What a running daemon has of its own in the table it puts back.

Exit status: 0 done, 1 a line was not understood or the kernel refused one, 2 wrong usage.")]
pub(crate) struct RestoreArguments {
    /// Empty the table first
    #[arg(long)]
    pub(crate) clear: bool,
}

/// `steadfast genhash`
#[derive(Debug, Clone, PartialEq, Eq, Args)]
#[command(after_help = "Examples:
  steadfast genhash -s 10.0.0.1 -p 80 -u /health
  steadfast genhash -S -I -V www.example.com -s 10.0.0.1 -p 443 -u /

Prints the digest of a page, for `digest` of a url in HTTP_GET or SSL_GET: what a check would find. Started under the name
genhash, the program is this subcommand.

Exit status: 0 printed, 1 the server did not answer as it should, 2 wrong usage.")]
pub(crate) struct GenhashArguments {
    /// Address of the server
    #[arg(short = 's', long, value_name = "ADDRESS")]
    pub(crate) server: IpAddr,
    /// Its port
    #[arg(short = 'p', long, value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) port: u16,
    /// Path of the page
    #[arg(short = 'u', long, value_name = "PATH")]
    pub(crate) url: String,
    /// Ask by TLS
    #[arg(short = 'S', long)]
    pub(crate) use_ssl: bool,
    /// Tell the server by TLS (SNI) the name of -V
    #[arg(short = 'I', long)]
    pub(crate) use_sni: bool,
    /// Host header of the request
    #[arg(short = 'V', long, value_name = "HOST")]
    pub(crate) use_virtualhost: Option<String>,
    /// Show the header, the page and the digest, in full
    #[arg(short = 'v', long)]
    pub(crate) verbose: bool,
    /// Firewall mark of the packets
    #[arg(short = 'm', long, value_name = "MARK", default_value_t)]
    pub(crate) fwmark: u32,
    /// HTTP version; 1.0c asks for the end of the connection
    #[arg(short = 'P', long, value_name = "VERSION", default_value = "1.0", value_parser = version_parser())]
    pub(crate) protocol: Version,
    /// Longest wait, seconds
    #[arg(short = 't', long, value_name = "SECONDS", default_value = "60", value_parser = seconds)]
    pub(crate) timeout: Duration,
}

/// Names the versions to help and completion.
fn version_parser() -> impl TypedValueParser<Value = Version> {
    PossibleValuesParser::new(["1.0", "1.0c", "1.1"]).map(|name| match name.as_str() {
        "1.1" => Version::Http11,
        "1.0c" => Version::Http10Close,
        _ => Version::Http10,
    })
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds = text.parse().ok().filter(|seconds| (1..=4_294).contains(seconds));
    seconds.map(Duration::from_secs).ok_or_else(|| "expected seconds from 1 to 4294".to_owned())
}
