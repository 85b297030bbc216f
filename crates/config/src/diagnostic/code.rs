//! The table of diagnostic codes: what `steadfast explain` tells, what can be silenced, what `-t` exits with.
use std::fmt;
use std::str::FromStr;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Worth knowing; changes nothing.
    Note,
    /// Works, but seldom as meant.
    Warning,
    /// The text cannot mean what it says; keepalived ignores the line or refuses the file.
    Error,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Severity::Note => "note",
            Severity::Warning => "warning",
            Severity::Error => "error",
        })
    }
}

/// The error class of keepalived that a problem counts as. `-t` exits by the largest class met, so their
/// order is part of the contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    /// keepalived is silent, or only logs it.
    Silent,
    /// An include that was to find a file and did not: keepalived ends there, before it looks at the rest.
    IncludeFailed,
    /// The main file does not exist or cannot be read.
    FileNotFound,
    /// An interface that does not exist or cannot be used.
    BadInterface,
    /// Reading cannot go on.
    Fatal,
    /// More than one main file.
    MultipleFiles,
    /// A keyword nobody knows.
    UnknownKeyword,
    /// A brace where none belongs.
    UnexpectedBrace,
    /// A brace that is missing.
    MissingBrace,
    /// An odd number of double quotes.
    UnmatchedQuote,
    /// A parameter that is missing.
    MissingParameter,
    /// A number that is none, or out of range.
    InvalidNumber,
    /// Anything else that keepalived reports as a configuration error.
    General,
    /// What keepalived itself calls a warning.
    Warning,
    /// A word that is accepted but deprecated.
    Deprecated,
    /// Scripts that others may write, key files that others may read.
    Security,
}

/// Declares the codes: number, name, severity, class, title, explanation. Numbers are never used again.
macro_rules! codes {
    ($($number:literal $name:ident $severity:ident $class:ident $title:literal $explanation:literal;)*) => {
        /// The stable name of a kind of problem, written `SF0101`.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u16)]
        pub enum Code {
            $(#[doc = $title] $name = $number,)*
        }

        impl Code {
            /// Every code, in the order of the table.
            pub const ALL: &'static [Code] = &[$(Code::$name,)*];

            /// The number in its name.
            pub fn number(self) -> u16 {
                match self { $(Code::$name => $number,)* }
            }

            /// Its name, as `SF0101`.
            pub fn name(self) -> &'static str {
                match self { $(Code::$name => concat!("SF0", $number),)* }
            }

            /// How bad it is, unless the place says otherwise.
            pub fn severity(self) -> Severity {
                match self { $(Code::$name => Severity::$severity,)* }
            }

            /// What `-t` counts it as.
            pub fn class(self) -> Class {
                match self { $(Code::$name => Class::$class,)* }
            }

            /// The problem in a few words.
            pub fn title(self) -> &'static str {
                match self { $(Code::$name => $title,)* }
            }

            /// What it means, why it matters and what to do, for `steadfast explain`.
            pub fn explanation(self) -> &'static str {
                match self { $(Code::$name => $explanation,)* }
            }
        }
    };
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A text that names no code.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "expected a diagnostic code such as SF0101, found '{0}'; `steadfast explain` without argument lists them"
)]
pub struct NotACode(String);

impl FromStr for Code {
    type Err = NotACode;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let digits =
            text.get(..2).filter(|prefix| prefix.eq_ignore_ascii_case("SF")).and_then(|_| text.get(2..));
        let number = digits.and_then(|digits| digits.parse::<u16>().ok());
        Code::ALL
            .iter()
            .copied()
            .find(|code| Some(code.number()) == number)
            .ok_or_else(|| NotACode(text.to_owned()))
    }
}

// 01xx: the language. 02xx: keywords and their values. 03xx: what does not fit together.
// 04xx: advice beyond keepalived. 05xx: scripts, files and the machine.
codes! {
    101 UnreadableFile Error FileNotFound "configuration file cannot be read"
        "The main configuration file does not exist, is a directory, is executable or may not be read. Name another with -f.";
    102 SeveralMainFiles Warning MultipleFiles "more than one main configuration file"
        "The pattern given with -f matches several files. keepalived reads them one after the other but reports it; name one file and include the others from it.";
    103 EmbeddedNul Error General "line holds a NUL byte"
        "Text files hold no NUL bytes. The file is binary, or was damaged. The line is ignored.";
    104 FileTooLarge Error Fatal "configuration file is too large"
        "Positions are kept in 32 bits, so a file may hold 4 GiB.";
    105 TooManyLines Error Fatal "the configuration expands to too many lines"
        "Sequences, definitions and includes produce more lines than the bound allows. Usually a ~SEQ with a wrong end, or sequences inside sequences.";
    111 UnexpectedBrace Error UnexpectedBrace "'{' where no block may begin"
        "An opening brace must follow the keyword of a block, on the same line or the next.";
    112 SurplusBrace Error UnexpectedBrace "'}' without a '{'"
        "More closing than opening braces. Often a block was closed twice, or its keyword is misspelt.";
    113 MissingOpenBrace Error MissingBrace "missing '{'"
        "The keyword begins a block; a '{' must follow it on the same line or the next.";
    114 MissingCloseBrace Error MissingBrace "missing '}'"
        "The configuration ends inside a block. The place shown is the '{' that was never closed.";
    115 BlocksTooDeep Error Fatal "blocks are nested too deeply"
        "No keyword of the language nests this deep; the file is not a configuration.";
    121 UnterminatedQuote Error UnmatchedQuote "missing closing '\"'"
        "A double quote opens a word that may hold blanks and comment characters; it must be closed on the same line.";
    122 UnterminatedScriptQuote Error UnmatchedQuote "missing closing quote in a command"
        "Commands and patterns may use single and double quotes; each must be closed on the same line.";
    131 ExpansionLoop Error General "variable leads back to itself"
        "The value of the variable refers to the variable again, directly or through others. keepalived would hang or cut the line off; the reference is left as text.";
    132 ExpansionTooLong Error General "line is too long after variables are replaced"
        "Replacing the variables makes the line longer than the bound. The line is left partly expanded.";
    133 BadBuiltInParameter Error General "parameters of a built-in variable make no sense"
        "_RANDOM takes at most two unsigned numbers, the smaller first; _ENV takes one name; the others take nothing.";
    134 MultiLineInside Error General "multi-line definition used inside a line"
        "A definition of several lines can only be put in where the reference ends the line. The reference is left as text.";
    135 UnterminatedDefinition Warning Silent "multi-line definition reaches the end of the file"
        "The last line of the file ends in a backslash, so the definition has no end. What was read is its value.";
    136 UndefinedVariable Warning Silent "reference to a variable that is not defined"
        "The text looks like a reference, but nothing of that name is defined before it. It is left as it stands.";
    141 BadSequence Error General "~SEQ that cannot be read"
        "Expected ~SEQ(VARIABLE, [START, [STEP,]] END) TEXT with numbers in decimal, octal (0...) or hexadecimal (0x...).";
    142 SequenceNeverEnds Error General "~SEQ whose step leads away from its end"
        "The step is zero or has the wrong sign, so the counter would never reach the end.";
    143 SequenceTooLong Error General "~SEQ with too many values"
        "The sequence has more values than the bound allows. Usually an end with a digit too many.";
    144 NegativeHexadecimal Error General "~SEQx with a negative number"
        "Hexadecimal sequences have no negative values; use ~SEQ.";
    145 BadList Error General "~LST that cannot be read"
        "Expected ~LST(VARIABLE, VALUE, ...) TEXT or ~LST({V1,V2}, {A,B}, ...) TEXT, with commas between the items.";
    146 SurplusListMember Error General "set in a ~LST has more members than variables"
        "Each set in braces gives a value to each variable; this one has too many.";
    147 SequencesTooDeep Error General "sequences are nested too deeply"
        "A ~SEQ or ~LST inside so many others is a mistake.";
    151 IncludeUnreadable Error IncludeFailed "included file cannot be read"
        "The file is a directory, executable, not regular, or may not be read. includer, includem, includew, includeb and includea make this an error; a plain include only reports it.";
    152 IncludeMissing Error IncludeFailed "included file does not exist"
        "includem, includew and includea demand that the named file exists.";
    153 IncludeNoMatch Error IncludeFailed "pattern of an include matches nothing"
        "includew and includea demand that a pattern with wildcards matches a file.";
    154 IncludeAlternativeMissing Error IncludeFailed "alternative of an include's brace list matches nothing"
        "includeb and includea demand that every alternative of a brace list exists.";
    155 IncludeIgnored Warning Silent "include finds no file to read"
        "A plain include goes on when it finds nothing. Use includem or includea to be told.";
    156 UnknownInclude Warning Warning "unknown form of include"
        "The forms are include, includer, includem, includew, includeb and includea; keepalived takes any other as includer.";
    157 IncludeLoop Error General "file includes itself"
        "The file is being read already. keepalived would go on until it runs out of file descriptors; the include is ignored.";
    158 IncludesTooDeep Error General "includes are nested too deeply"
        "Files inside files inside files: the bound is reached, the include is ignored.";
    159 IncludeWithoutFile Error MissingParameter "include without a file"
        "An include needs the name or pattern of the files to read.";

    201 UnknownKeyword Error UnknownKeyword "keyword that is not known here"
        "The word is no keyword of this block: misspelt, in the wrong block, or of another version. The line is ignored; lines in its braces are not read. Where a '}' too many closed a block too early, everything after it is unknown.";
    202 MissingArgument Error MissingParameter "keyword without its argument"
        "The keyword needs a word behind it. With most keywords keepalived stops reading here and does not start; steadfast reads on, and then refuses the file too.";
    203 ExtraWords Warning Silent "words behind the last argument"
        "keepalived ignores them in silence. Often a comment without its '#', or two lines that became one.";
    204 InvalidNumber Error InvalidNumber "not a number"
        "A number was expected. When it runs, keepalived uses the digits at the start of the word; when it tests, the line is an error and the default is kept.";
    205 NumberOutOfRange Error InvalidNumber "number out of range"
        "The number lies outside of what the keyword takes. The line is ignored.";
    206 TooManyDecimalPlaces Error InvalidNumber "too many decimal places"
        "The time is written finer than the keyword takes it. When it runs, it is rounded; when it tests, the line is an error.";
    207 InvalidBoolean Error General "not a boolean"
        "Booleans are true, on, yes, false, off and no, in lower case.";
    208 InvalidAddress Error General "not an address"
        "The word is no address, or not of the kind that is needed here. The line is ignored.";
    209 InvalidName Error General "name that the kernel cannot have"
        "Names of interfaces have 1 to 15 characters.";
    210 InvalidChoice Error General "none of the words that are possible here"
        "The keyword takes one of a few words, written exactly so.";
    211 NotUnicode Error General "word that is not UTF-8"
        "Words must be UTF-8. The file was written in another encoding; convert it, for example with iconv. The line is ignored.";
    212 GivenTwice Error General "given twice"
        "The keyword may be written once; the first one counts.";
    213 DeprecatedKeyword Warning Deprecated "deprecated keyword"
        "The keyword works, but keepalived will drop it one day. The successor means the same.";
    214 NotYetActive Note Silent "accepted, not yet active"
        "steadfast reads and checks this part of the configuration but does nothing about it yet.";
    215 NotRead Note Silent "line inside a block that is passed over"
        "The block around the line is unknown or refused, so the line has no meaning.";
    216 UnknownOption Error General "option that is not known here"
        "The word is no option of such a line. It is ignored.";
    217 DuplicateName Error General "name is defined twice"
        "Two blocks of the same kind have the same name; the second is passed over.";
    218 IncompleteBlock Error General "block without what it cannot be without"
        "A keyword of the block is mandatory. The whole block is dropped.";
    219 InvalidLine Error General "line that makes no sense"
        "The line does not follow the grammar of its list. It is ignored.";
    220 InvalidCommand Error General "command that cannot be read"
        "A command is one word, in quotes if it has arguments, followed by user and group.";
    221 SettingIgnored Error General "setting that cannot be used"
        "The setting contradicts another or cannot be used here; it is ignored or replaced as said.";
    222 ValueReplaced Warning General "value that is replaced"
        "The value cannot be used as it stands; the one that is used is named.";
    223 NumberSuspicious Warning Silent "number that is seldom meant"
        "The number is valid, but far from what is usual.";

    301 NoVirtualRouterId Error General "vrrp_instance without virtual_router_id"
        "Each virtual router needs its number, 1 to 255, the same on all its routers and different from all others on the segment. keepalived refuses to start.";
    302 NoInterface Error General "vrrp_instance without interface"
        "An instance needs the interface that carries its adverts, unless it sends to peers from a configured source address. keepalived refuses to start.";
    303 InterfaceMissing Error General "interface does not exist"
        "The machine has no interface of that name. It may appear later only with dynamic_interfaces; keepalived refuses to start without.";
    304 DuplicateVirtualRouter Error General "two instances are the same virtual router"
        "Virtual router number, interface, address family and multicast group name a virtual router; two instances may not agree in all. With unicast it is the source address and any of the peers in place of the group. keepalived refuses to start.";
    305 NoAddresses Error General "vrrp_instance without an address"
        "Version 3 and strict instances need an address, or no_virtual_ipaddress. keepalived refuses to start.";
    306 NoAddressesV2 Warning General "vrrp_instance without an address"
        "An instance without address is allowed in version 2 but seldom meant; no_virtual_ipaddress says that it is.";
    307 VersionConflict Error General "protocol version that does not fit"
        "IPv6 instances are version 3, and the version is given once.";
    308 AuthenticationIgnored Warning General "authentication that is ignored"
        "Authentication belongs to version 2 and is dropped by version 3 and strict mode (RFC 3768 appendix A tells why); auth_hmac replaces it.";
    309 NopreemptIgnored Warning General "nopreempt is ignored"
        "nopreempt works only with initial state BACKUP and a priority below 255; otherwise it is cleared.";
    310 PreemptDelayIgnored Warning General "preempt_delay is ignored"
        "preempt_delay works only with initial state BACKUP and preemption; otherwise it is cleared.";
    311 UnicastWithoutPeers Error Deprecated "unicast keyword without a peer"
        "Without unicast_peer the instance falls back to multicast. keepalived will stop doing so; give peers, or unicast_fault_no_peer.";
    312 StrictModeConflict Error General "setting that strict mode forbids"
        "Strict mode follows the protocol to the letter and drops settings beyond it.";
    313 TrackedUnknown Error General "tracked object is not defined"
        "The name is not defined before this line. Definitions must come first; the message says when it is defined too late.";
    314 MemberUnknown Error General "member is not a vrrp_instance"
        "No vrrp_instance has this name; the member is passed over.";
    315 MemberTwice Error General "member of two sync groups"
        "An instance can be in one sync group only; the first one counts.";
    316 GroupTooSmall Warning General "sync group with fewer than two members"
        "A group of one changes nothing; a group of none is dropped.";
    317 PasswordTruncated Warning General "auth_pass is longer than 8 characters"
        "Eight octets of password fit the packet (RFC 2338 section 5.3.10); the rest is cut off. Peers cut off the same way, so they still agree.";
    318 TooManyAddresses Error General "more addresses than the packet holds"
        "An advert holds at most 255 addresses and must fit the interface; the others are moved to the excluded ones.";
    319 FamilyMismatch Error General "address of the other family"
        "An instance is IPv4 or IPv6; addresses of the other family belong into virtual_ipaddress_excluded. So is each route, rule and tunnel: all of its words must be of one family, and some options exist in one only. A server and what it is checked from are of one family too.";
    320 AddressTwice Warning Silent "address is given twice"
        "The address is in the instance already; the second one is passed over.";
    321 IntervalRounded Warning General "advert interval that the packet cannot carry"
        "Version 2 carries whole seconds from 1 to 255, version 3 hundredths of a second up to 40.95; the interval is rounded.";
    322 WeightReduced Warning General "weight that is reduced"
        "A change of priority of 254 or more would do the same as 253; keepalived reduces it.";
    323 OwnInterfaceTracked Warning General "own interface in track_interface"
        "An instance follows its own interface anyway; the entry is ignored.";
    324 WeightInGroup Warning General "weight in a sync group"
        "Members of a sync group have their states together, so weights are dropped unless sync_group_tracking_weight allows them.";
    325 ServerDefault Warning General "virtual_server without a mandatory setting"
        "keepalived takes a default and reports it; write the setting.";
    326 ServerConflict Error General "settings of a virtual_server that do not fit"
        "The settings contradict each other; what is done instead is said.";
    327 QuorumReduced Warning General "quorum above the weight of all servers"
        "The quorum can never be reached; it is lowered to the weight of all servers.";
    328 PriorityInvalid Error General "priority that is replaced"
        "Priorities are 1 to 255; 100 is used instead.";
    329 TrackedTwice Warning General "tracked twice"
        "The object is in the list already; the first entry counts.";
    330 InterfaceUnsuitable Error General "interface that cannot carry adverts"
        "Adverts need an interface that can send to groups and is not the loopback.";
    331 EmptyGroup Warning General "group without a member"
        "A group or list without members does nothing.";

    401 MixedFamilies Warning Silent "addresses of both families in one instance"
        "Each family is a virtual router of its own (RFC 9568 section 5.2.3). Use one instance for each, in a sync group.";
    402 WeightWithoutEffect Warning Silent "weight that can never change who is master"
        "The priority is 255, which no weight changes, or the weight can only lead beyond 1 to 254. Of several files that it is given, steadfast check also tells when the weights of a router never let it pass another one, or another one pass it: a weight counts when it is larger than the distance of their priorities.";
    403 PriorityNotGiven Warning Silent "priority is not given"
        "Without it the priority is 100, or 255 with state MASTER, and routers of equal priority decide by their addresses. Give each router of a virtual router a priority of its own.";
    404 ClearTextPassword Note Silent "password in clear text"
        "The password travels readable in every advert and protects from mistakes only, not from people (RFC 3768 section 10). auth_hmac protects.";
    405 EqualPriorities Warning Silent "two routers have the same priority"
        "Which of them is master is decided by their addresses, the higher one wins (RFC 9568 section 6.4.3), and may not be the one that is meant. Give each router of a virtual router a priority of its own. steadfast check compares the files that it is given.";
    406 ServerTwice Error General "real server is given twice"
        "Address and port agree with an earlier real_server of the same virtual_server; the second one is dropped.";
    407 TimeoutAboveInterval Warning Silent "timeout above the interval"
        "A check that runs into its timeout is still running when the next one is due, so checks are left out.";
    408 AddressInTwoInstances Warning Silent "address in two instances"
        "Two instances would configure the same address; when their masters differ, two machines answer for it. The same link-local address on another interface is not meant.";
    409 IntervalsDiffer Warning Silent "two routers have different advert intervals"
        "A backup of version 2 drops the adverts of a master with another interval, and both become master (RFC 3768 section 7.1). One of version 3 takes the master's interval, so that the time to a takeover depends on who is master. steadfast check compares the files that it is given.";
    410 VersionsDiffer Warning Silent "two routers speak different versions"
        "A router drops the adverts of another version, so both become master. steadfast check compares the files that it is given.";
    411 AuthenticationDiffers Warning Silent "two routers authenticate differently"
        "Adverts without the authentication that is expected are dropped, so both become master. steadfast check compares the files that it is given.";
    412 AddressesDiffer Warning Silent "two routers have different addresses for one virtual router"
        "A backup may drop adverts with another list of addresses, and an address that only one of them has is gone while the other is master. steadfast check compares the files that it is given; instances without a common address count as one virtual router when number, interface and network agree.";
    413 AddressOfTwoRouters Warning Silent "an address has different virtual router identifiers"
        "Routers with different identifiers do not hear each other, so both become master and answer for the address. steadfast check compares the files that it is given.";
    414 PeersDiffer Warning Silent "unicast peers do not name each other"
        "A router whose address the other does not name is not sent to, or is not heard, so both become master. steadfast check compares the files that it is given.";
    415 FlowsStay Note Silent "UDP flows stay with a server that is gone"
        "A client of UDP that sends without a pause keeps its entry in the kernel's table of connections, and its packets go to the server that it had, or nowhere, as long as that lasts: by default five minutes behind its last packet. lvs_expire_nodest_conn (net.ipv4.vs.expire_nodest_conn) ends such entries when their server is gone, with persistence also lvs_expire_quiescent_template. With inhibit_on_failure a server is never gone; ops chooses a server for each packet.";
    416 ServiceTwice Warning Silent "service is given twice"
        "The kernel has one service for an address, a port and a protocol, or for a mark. It balances as the first block of the file says, and has the real servers of all blocks; a server that several of them name stays as long as one of them wants it, with the weight of the first that gives it connections. Each block has its own quorum, sorry server and notifications.";
    417 EchoesStay Warning Silent "this host does not return echo packets"
        "Echo packets of BFD are addressed to whoever sends them, and come back only where the other router's kernel forwards (RFC 5881 section 4): net.ipv4.ip_forward or net.ipv6.conf.all.forwarding has to be 1 on a host whose echo_rx invites them. A peer that never had one back goes on by control packets alone.";

    501 ScriptMissing Warning General "script cannot be found"
        "The program does not exist or cannot be reached by the account that runs it. The script is disabled.";
    502 ScriptNotExecutable Error General "script may not be executed"
        "The account that runs it has no right to execute the file. The script is disabled.";
    503 ScriptInsecure Warning Security "script that others can change runs as root"
        "Who can write the file or a folder above it can become root. Make root own the path, take write permission from others, and set enable_script_security.";
    504 UnknownAccount Error General "account does not exist"
        "No user or group of that name exists on this machine. The script is dropped.";
    505 NoScriptUser Error General "no account for scripts"
        "enable_script_security demands an account for every script. No script_user is given and there is no user keepalived_script, so the script is dropped. So it is where script_user names an account that does not exist: nothing runs with more rights instead.";
    506 NotInThisBuild Warning General "feature that keepalived's build here lacks"
        "Debian's keepalived is built without iptables, says so, and takes nftables. steadfast reads the keyword; other builds of keepalived use it.";
    507 ScriptSecurityOff Warning Security "scripts run without enable_script_security"
        "Scripts run, and nothing checks that only root can change them. Set enable_script_security, and script_user to an account without rights.";
    508 KeyFileUnusable Error General "key file cannot be used"
        "The file that a key is to come from does not exist, cannot be read, or holds something of another length than a key.";
    509 KeyFileExposed Warning Security "key file that others can read"
        "Who can read the file knows the key and can send adverts. Make it readable by its owner only: chmod 600.";
    510 NamespaceMissing Error Fatal "network namespace cannot be entered"
        "A daemon with this file would enter the network namespace that net_namespace names, and ends where it cannot. Make the namespace first (ip netns add), or give --any-machine for the file of another machine. What interfaces there are in it is not known.";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_unique_and_names_round_trip() {
        let mut numbers: Vec<_> = Code::ALL.iter().map(|code| code.number()).collect();
        numbers.sort_unstable();
        numbers.dedup();
        assert_eq!(numbers.len(), Code::ALL.len());
        for code in Code::ALL {
            assert_eq!(code.to_string().parse(), Ok(*code));
            assert_eq!(code.name(), format!("SF{:04}", code.number()));
        }
        assert!(Code::ALL.is_sorted_by_key(|code| code.number()));
        assert!("SF9999".parse::<Code>().is_err());
        assert!("ä1".parse::<Code>().is_err());
    }
}
