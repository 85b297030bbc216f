//! What keepalived 2.2.7 says of single lines, recorded: the status of its test, and whether it names the line.
//! Each line stands alone in an otherwise good configuration.

#![cfg(test)]

use std::path::Path;

use steadfast_config::{AnyMachine, Class, LoadOptions, Loaded, Memory, Mode, load};

/// Where the line of a case stands.
enum Place {
    Root,
    Global,
    Instance,
    /// A line of a block of the instance.
    Within(&'static str),
    Group,
    Script,
    /// A line of a block that stands by itself.
    Block(&'static str),
    Server,
    Real,
    /// A line of a block of the real server.
    Check(&'static str),
}

use Place::*;

const GLOBAL: &str = "enable_script_security\nscript_user root\n";
const BEFORE: &str = "track_group T {\ngroup {\nV\n}\n}\nbfd_instance B {\nneighbor_ip 10.0.0.6\n}\nvrrp_script S {\nscript /bin/true\n@script\n}\ntrack_file F {\nfile /tmp/x\n}\n";
const INSTANCE: &str = "vrrp_instance V {\ninterface eth0\nvirtual_router_id 3\nvirtual_ipaddress {\n10.0.0.1\n}\n@instance\n}\n\
     vrrp_instance W {\ninterface eth1\nvirtual_router_id 4\nvirtual_ipaddress {\n10.0.0.2\n}\n}\n";

const SERVER: &str = "virtual_server 10.0.0.7 80 {\ndelay_loop 10\nlvs_sched rr\nlvs_method NAT\nprotocol TCP\n@server\n\
     real_server 10.0.0.8 80 {\n@real\n}\n}\n";

fn text(place: &Place, line: &str) -> String {
    let frame = format!(
        "global_defs {{\n{GLOBAL}@global\n}}\n{BEFORE}{INSTANCE}vrrp_sync_group G {{\ngroup {{\nV\nW\n}}\n@group\n}}\n{SERVER}@root\n"
    );
    let within;
    let (mark, line) = match place {
        Root => ("@root", line),
        Global => ("@global", line),
        Instance => ("@instance", line),
        Group => ("@group", line),
        Script => ("@script", line),
        Server => ("@server", line),
        Real => ("@real", line),
        Within(block) | Block(block) | Check(block) => {
            within = format!("{block} {{\n{line}\n}}");
            let mark = match place {
                Within(_) => "@instance",
                Block(_) => "@root",
                _ => "@real",
            };
            (mark, within.as_str())
        }
    };
    let filled = frame.replace(mark, line);
    let is_mark = |line: &&str| !line.starts_with('@');
    filled.lines().filter(is_mark).map(|line| format!("{line}\n")).collect()
}

fn read(text: &str) -> Loaded {
    let source = Memory::new().file("k.conf", text);
    let options = LoadOptions { mode: Mode::Test, ..LoadOptions::default() };
    load(&source, Path::new("/k.conf"), &AnyMachine, &options)
}

/// Place, line, keepalived's status, and whether it names the line.
const CASES: &[(Place, &str, u8, bool)] = &[
    // A missing word stops keepalived with some keywords, with others it goes on.
    (Root, "net_namespace", 5, true),
    (Root, "instance", 5, true),
    (Root, "child_wait_time", 2, true),
    (Global, "router_id", 5, true),
    (Global, "startup_script", 5, true),
    (Global, "vrrp_priority", 5, true),
    (Global, "lvs_timeouts", 5, true),
    (Global, "lvs_sync_daemon eth0 inst", 2, true),
    (Global, "vrrp_version", 2, true),
    (Global, "process_name", 2, true),
    (Instance, "priority", 2, true),
    (Instance, "garp_extra_if", 5, true),
    (Instance, "kernel_rx_buf_size", 5, true),
    (Script, "weight", 2, true),
    (Within("track_script"), "S weight", 5, true),
    (Within("unicast_peer"), "10.0.0.9 min_ttl", 5, true),
    (Within("virtual_ipaddress_excluded"), "10.0.0.9 dev", 5, true),
    (Within("virtual_routes"), "10.0.0.0/24 dev", 2, true),
    (Within("virtual_rules"), "from 10.0.0.0/24 preference 5 table", 2, true),
    // Lines of track lists: what does not begin with a weight is ignored, a wrong weight leaves the script's own.
    (Within("track_script"), "S weight 300", 5, true),
    (Within("track_script"), "S weight 5 weight 6", 5, true),
    (Within("track_script"), "S weight 5 reverse noreverse", 5, false),
    (Within("track_bfd"), "B weight 5", 5, true),
    // Names and braces.
    (Root, "vrrp_instance X Y {\ninterface eth0\nvirtual_router_id 9\n}", 5, true),
    (Root, "track_group X Y {\ngroup {\nV\n}\n}", 5, true),
    (Root, "vrrp_script X Y {\nscript /bin/true\n}", 0, false),
    (Root, "vrrp_script S {\nscript /bin/false\n}", 0, false),
    (Root, "track_file {\nfile /tmp/x\n}", 2, true),
    (Within("virtual_ipaddress_excluded"), "10.0.0.9 {\n}", 5, true),
    // An empty word is a word.
    (Root, "\"\" x", 5, true),
    (Instance, "\"\"", 5, true),
    // Words before the brace of a list.
    (Global, "notification_email x {\na@b\n}", 5, true),
    (Instance, "track_script x {\nS\n}", 5, true),
    (Instance, "virtual_ipaddress_excluded x {\n10.0.0.9\n}", 5, true),
    (Instance, "virtual_routes x {\n10.0.0.0/24 dev eth0\n}", 5, true),
    // Empty lists.
    (Global, "notification_email {\n}", 5, false),
    (Instance, "track_script {\n}", 0, false),
    (Instance, "virtual_ipaddress_excluded {\n}", 0, false),
    // The first list of members counts.
    (Group, "group {\nV\n}", 5, true),
    // Numbers.
    (Root, "child_wait_time +5", 0, false),
    (Instance, "advert_int +5", 0, false),
    (Instance, "preempt_delay +5.5", 0, false),
    (Instance, "garp_master_refresh 4294967295", 0, false),
    (Instance, "garp_master_repeat 0", 5, true),
    (Global, "vrrp_garp_master_refresh_repeat 0", 5, true),
    (Global, "smtp_connect_timeout 0", 5, true),
    (Script, "interval 0", 5, true),
    (Global, "vrrp_rt_priority 0", 5, true),
    (Global, "vrrp_rt_priority 100", 5, true),
    (Root, "garp_group {\ngarp_interval 0\n}", 0, false),
    (Root, "garp_group {\ngna_interval 2147.5\ngarp_interval 1\n}", 5, false),
    (
        Root,
        "virtual_server 10.0.0.1 80 {\nlb_algo rr\nlb_kind NAT\nprotocol TCP\ndelay_loop 86400\nreal_server 10.0.0.2 80 {\n}\n}",
        0,
        false,
    ),
    // An address with a prefix length where there is no use for one.
    (Instance, "mcast_src_ip 10.0.0.9/24", 0, false),
    (Instance, "mcast_dst_ip 224.0.0.5/24", 0, false),
    (Within("unicast_peer"), "10.0.0.9/24", 0, false),
    (Global, "vrrp_mcast_group4 224.0.0.5/24", 0, false),
    (Within("virtual_ipaddress_excluded"), "10.0.0.9/24 peer 10.0.0.8/24", 5, true),
    (Within("virtual_routes"), "10.0.0.0/24 via 10.0.0.3/24 dev eth0", 5, true),
    // Words that belong behind a weight.
    (Within("track_script"), "S reverse", 5, true),
    (Within("track_bfd"), "B reverse", 5, true),
    (Within("track_file"), "F weight 5 reverse", 5, false),
    (Within("track_file"), "F noreverse", 5, true),
    (Within("track_interface"), "eth2 reverse", 5, true),
    // Names.
    (Global, "process_name 0123456789abcdef", 5, true),
    (Global, "vrrp_process_name 0123456789abcdef", 5, true),
    (Global, "lvs_sync_daemon 0123456789abcdef", 5, true),
    (Global, "lvs_sync_daemon eth0 V 5", 5, true),
    (Global, "lvs_sync_daemon eth0 V id 5", 0, false),
    (Instance, "use_vmac a b", 5, true),
    (Instance, "use_vmac a/b", 5, true),
    (Instance, "use_ipvlan a b 10.0.0.5", 5, true),
    (Instance, "use_ipvlan 2001:db8::8", 5, true),
    // Keywords that want another.
    (Instance, "linkbeat_use_polling", 5, true),
    (Instance, "check_unicast_src", 5, false),
    (Instance, "old_unicast_checksum", 5, false),
    (Instance, "unicast_peer {\n}", 5, false),
    (Instance, "vmac_xmit_base", 5, false),
    (Instance, "use_vmac 00:00:5e:00:01:0a", 5, true),
    (Instance, "use_vmac 01:02:03:04:05:06", 5, true),
    (Instance, "use_vmac 02:00:00:00:00", 0, false),
    (Instance, "strict_mode\nuse_vmac 02:00:00:00:00:01", 5, false),
    (Instance, "strict_mode\nuse_vmac\nvmac_xmit_base", 5, false),
    (Instance, "use_ipvlan", 5, false),
    (Instance, "vrf eth1", 5, true),
    // Routes and rules: one family, numbers in range, and what needs something else.
    (Within("virtual_routes"), "10.0.0.0/24 via 2001:db8::1 dev eth0", 5, true),
    (Within("virtual_routes"), "2001:db8::/64 src 10.0.0.1 dev eth0", 5, true),
    (Within("virtual_routes"), "default via 10.0.0.1 src 2001:db8::1 dev eth0", 5, true),
    (Within("virtual_routes"), "default via inet6 2001:db8::1 dev eth0", 0, false),
    (Within("virtual_routes"), "default via inet6 10.0.0.1 dev eth0", 5, true),
    (Within("virtual_routes"), "2001:db8::/64 inet dev eth0", 5, true),
    (Within("virtual_routes"), "10.0.0.0/24 from 10.1.0.0/24 dev eth0", 5, true),
    (Within("virtual_routes"), "2001:db8::/64 from 2001:db8:1::/64 dev eth0", 0, false),
    (Within("virtual_routes"), "10.0.0.0/24 expires 5 dev eth0", 5, true),
    (Within("virtual_routes"), "2001:db8::/64 expires 4294967296 dev eth0", 5, true),
    (Within("virtual_routes"), "default pref low via 10.0.0.1 dev eth0", 5, true),
    (Within("virtual_routes"), "2001:db8::/64 pref 256 dev eth0", 5, true),
    (Within("virtual_routes"), "2001:db8::/64 realms 5 dev eth0", 5, true),
    (Within("virtual_routes"), "10.0.0.0/24 realms 5/ dev eth0", 5, true),
    (Within("virtual_routes"), "10.0.0.0/24 mtu lock 1500 dev eth0", 0, false),
    (Within("virtual_routes"), "10.0.0.0/24 mtu -1 dev eth0", 5, true),
    (Within("virtual_routes"), "10.0.0.0/24 advmss 4294967296 dev eth0", 5, true),
    (Within("virtual_routes"), "10.0.0.0/24 cwnd x dev eth0", 5, true),
    (Within("virtual_routes"), "10.0.0.0/24 hoplimit 256 dev eth0", 5, true),
    (Within("virtual_routes"), "10.0.0.0/24 window lock 5 dev eth0", 5, true),
    (Within("virtual_routes"), "10.0.0.0/24 initcwnd -1 dev eth0", 5, true),
    (Within("virtual_routes"), "10.0.0.0/24 quickack 2 dev eth0", 5, true),
    (Within("virtual_routes"), "10.0.0.0/24 metric 4294967296 dev eth0", 5, true),
    (Within("virtual_routes"), "10.0.0.0/24 rtt lock 1.5s dev eth0", 0, false),
    (Within("virtual_routes"), "10.0.0.0/24 rtt 960001 dev eth0", 5, true),
    (Within("virtual_routes"), "10.0.0.0/24 rtt 1.5 dev eth0", 5, true),
    (Within("virtual_routes"), "10.0.0.0/24 rttvar 481s dev eth0", 5, true),
    (Within("virtual_routes"), "10.0.0.0/24 rto_min 120000ms dev eth0", 0, false),
    (Within("virtual_routes"), "10.0.0.0/24 rto_min 120001ms dev eth0", 5, true),
    (Within("virtual_routes"), "10.0.0.0/24 protocol -1 dev eth0 no_track", 5, true),
    (Within("virtual_routes"), "12 10.0.0.0/24 dev eth0", 0, false),
    (Within("virtual_routes"), "256 10.0.0.0/24 dev eth0", 5, true),
    (Within("virtual_routes"), "to", 2, true),
    (Within("virtual_routes"), "10.0.0.0/24 track_group T dev eth0", 5, true),
    (Within("virtual_routes"), "10.0.0.0/24 dev eth0 encap", 5, true),
    (Within("virtual_routes"), "10.0.0.0/24 dev eth0 encap ip ttl 5", 5, true),
    (Within("virtual_routes"), "10.0.0.0/24 dev eth0 encap ip id 5 ttl 256", 5, true),
    (Within("virtual_routes"), "10.0.0.0/24 dev eth0 encap ip dst 2001:db8::1", 5, true),
    (Within("virtual_routes"), "10.0.0.0/24 dev eth0 encap ip6 id 5 dst 2001:db8::1 hoplimit 255", 0, false),
    (Within("virtual_routes"), "10.0.0.0/24 dev eth0 encap ip6 id 5 flags 65536", 5, true),
    (Within("virtual_routes"), "10.0.0.0/24 dev eth0 encap mpls 5/1048575", 0, false),
    (Within("virtual_routes"), "10.0.0.0/24 dev eth0 encap mpls 1048576", 5, true),
    (Within("virtual_routes"), "10.0.0.0/24 dev eth0 encap mpls 5/6/7", 5, true),
    (Within("virtual_routes"), "10.0.0.0/24 dev eth0 encap ila 1:2:3:4", 0, false),
    (Within("virtual_routes"), "10.0.0.0/24 dev eth0 encap ila 1:2:3:12345", 5, true),
    (Within("virtual_routes"), "default dev eth0 nexthop", 0, false),
    (Within("virtual_routes"), "default dev eth0 nexthop weight 256", 0, false),
    (Within("virtual_routes"), "default dev eth0 nexthop via 10.0.0.3 weight 257", 5, true),
    (Within("virtual_routes"), "default dev eth0 nexthop via 2001:db8::2 nexthop via 10.0.0.3", 5, true),
    (Within("virtual_routes"), "default dev eth0 nexthop via 10.0.0.3 metric 5", 5, true),
    (Within("virtual_routes"), "2001:db8::/64 dev eth0 nexthop via 2001:db8::2 realms 5", 5, true),
    (Block("static_routes"), "10.0.0.0/24 track_group T dev eth0", 0, false),
    (Block("static_routes"), "10.0.0.0/24 track_group X dev eth0", 5, true),
    (Block("static_routes"), "10.0.0.0/24 track_group T no_track", 5, true),
    (Block("static_ipaddress"), "10.0.0.9/24 dev eth0 track_group X", 5, true),
    (Within("virtual_rules"), "from 10.0.0.0/24 to 2001:db8::/64 table 5 preference 5", 5, true),
    (Within("virtual_rules"), "from 2001:db8::/64 inet table 5 preference 5", 5, true),
    (Within("virtual_rules"), "from 2001:db8::/64 table 5 realms 5 preference 5", 5, true),
    (Within("virtual_rules"), "from 10.0.0.0/24 table 4294967296 preference 5", 5, true),
    (Within("virtual_rules"), "from 10.0.0.0/24 table 5 preference +5", 0, false),
    (Within("virtual_rules"), "from 10.0.0.0/24 table 5 preference 4294967296", 5, true),
    (Within("virtual_rules"), "from 10.0.0.0/24 table 5 preference 5 fwmark 0x5/0x6", 0, false),
    (Within("virtual_rules"), "from 10.0.0.0/24 table 5 preference 5 fwmark /5", 0, false),
    (Within("virtual_rules"), "from 10.0.0.0/24 table 5 preference 5 fwmark 5/x", 5, true),
    (Within("virtual_rules"), "from 10.0.0.0/24 table 5 preference 5 suppress_prefixlength -1", 5, true),
    (Within("virtual_rules"), "from 10.0.0.0/24 blackhole preference 5 suppress_prefixlength 5", 5, true),
    (Within("virtual_rules"), "from 10.0.0.0/24 l3mdev preference 5 suppress_ifgroup 5", 0, false),
    (Within("virtual_rules"), "from 10.0.0.0/24 table 5 preference 5 uidrange 5", 5, true),
    (Within("virtual_rules"), "from 10.0.0.0/24 table 5 preference 5 uidrange 5-4294967295", 0, false),
    (Within("virtual_rules"), "from 10.0.0.0/24 table 5 preference 5 sport 5", 5, true),
    (Within("virtual_rules"), "from 10.0.0.0/24 table 5 preference 5 dport 5-65535", 0, false),
    (Within("virtual_rules"), "from 10.0.0.0/24 table 5 preference 5 ipproto 256", 5, true),
    (Within("virtual_rules"), "from 10.0.0.0/24 table 5 preference 5 ipproto tcp", 0, false),
    (Within("virtual_rules"), "from 10.0.0.0/24 table 5 preference 5 protocol 5", 5, true),
    (Within("virtual_rules"), "from 10.0.0.0/24 table 5 preference 5 protocol static no_track", 5, true),
    (Within("virtual_rules"), "from 10.0.0.0/24 preference 5 goto 5", 5, true),
    (Within("virtual_rules"), "from 10.0.0.0/24 preference 5 goto 6", 0, false),
    (Within("virtual_rules"), "from 10.0.0.0/24 goto 20000", 5, true),
    (Within("virtual_rules"), "from 10.0.0.0/24 preference 5 type prohibit", 0, false),
    (Within("virtual_rules"), "from 10.0.0.0/24 preference 5 type table 5", 5, true),
    (Within("virtual_rules"), "from 10.0.0.0/24 preference 5 type", 2, true),
    (Within("virtual_rules"), "from 10.0.0.0/24 table 5 preference 5 dev eth0 track_group T", 5, true),
    (Block("static_rules"), "from 10.0.0.0/24 table 5 preference 5 dev eth0 track_group T", 0, false),
    (Block("static_rules"), "from 10.0.0.0/24 table 5 preference 5 track_group T", 5, true),
    // Numbers of virtual servers, real servers and checks.
    (Check("TCP_CHECK"), "connect_port 0", 5, true),
    (Check("TCP_CHECK"), "bind_port 65536", 5, true),
    (Check("UDP_CHECK"), "max_reply_length 65536", 5, true),
    (Check("DNS_CHECK"), "type x", 5, true),
    (Server, "quorum 0", 5, true),
    (Server, "hysteresis -1", 5, true),
    (Server, "persistence_timeout 2678401", 5, true),
    (Server, "retry 0", 5, true),
    (Server, "connect_timeout 4295", 5, true),
    (Real, "weight 2147483648", 5, true),
    (Real, "weight -1", 5, true),
    (Server, "sh-port", 5, true),
    (Server, "mh-fallback", 5, true),
    (Server, "hashed", 5, true),
    (Server, "lvs_sched mh\nsh-port", 0, false),
    (Server, "lvs_method TUN type gre remcsum", 5, true),
    (Server, "lvs_method TUN csum", 5, true),
    (Server, "lvs_method TUN type gue port 5 remcsum", 0, false),
    (Server, "sorry_server 2001:db8::1 80", 5, false),
    (Server, "lvs_method TUN\nsorry_server 2001:db8::1 80", 0, false),
    (Server, "real_server {\n}", 2, true),
    (Check("TCP_CHECK"), "bindto 2001:db8::1", 5, true),
    (Check("TCP_CHECK"), "connect_ip 2001:db8::2\nbindto 2001:db8::1", 0, false),
    (Check("UDP_CHECK"), "min_reply_length 255", 0, false),
    (Check("UDP_CHECK"), "min_reply_length 256", 5, false),
    (Check("BFD_CHECK"), "name X", 5, true),
    (Check("FILE_CHECK"), "track_file X", 5, true),
    (Block("virtual_server_group A"), "fwmark 0", 0, false),
    (Block("virtual_server_group A"), "fwmark", 2, true),
    // Numbers that keepalived reports though it keeps or lowers them, and a neighbour of two sessions.
    (Root, "track_file E {\nfile /tmp/y\ninit_file 300\n}", 5, false),
    (Root, "track_file E {\nfile /tmp/y\ninit_file -254 overwrite\n}", 0, false),
    (Root, "bfd_instance C {\nneighbor_ip 10.0.0.9\nttl 5\nmax_hops 6\n}", 5, false),
    (Root, "bfd_instance C {\nneighbor_ip 10.0.0.6\n}", 5, false),
    (
        Root,
        "bfd_instance C {\nneighbor_ip 10.0.0.9\nchecker\n}\nvrrp_instance Z {\ninterface eth0\nvirtual_router_id 9\nvirtual_ipaddress {\n10.0.0.3\n}\ntrack_bfd {\nC\n}\n}",
        5,
        false,
    ),
    // A quote that is never closed.
    (Instance, "notify \"/bin/true", 5, true),
    // Mistakes of address lines, some of which cost the address.
    (Within("virtual_ipaddress_excluded"), "10.0.0.9 brd +", 5, true),
    (Within("virtual_ipaddress_excluded"), "10.0.0.9/30 brd +", 0, false),
    (Within("virtual_ipaddress_excluded"), "2001:db8::9 brd +", 5, true),
    (Within("virtual_ipaddress_excluded"), "10.0.0.9/33", 5, true),
    (Within("virtual_ipaddress_excluded"), "10.0.0.9 dev eth1 dev eth2", 5, true),
    (Block("vrrp_track_process P"), "process x\nparam_match exact", 5, false),
    // A command without an account behind it.
    (Script, "script /usr/bin/killall -0 haproxy", 0, false),
    (Check("MISC_CHECK"), "misc_path /bin/true nosuch", 0, false),
    // What keepalived finds out when it has read more than a line.
    (
        Root,
        "vrrp_instance X {\ninterface eth0\nvirtual_router_id 9\nvirtual_ipaddress {\n2001:db8::1\n}\nversion 2\n}",
        5,
        false,
    ),
    (
        Root,
        "vrrp_instance X {\ninterface eth0\nvirtual_router_id 9\nversion 2\nvirtual_ipaddress {\n2001:db8::1\n}\n}",
        0,
        false,
    ),
    (
        Root,
        "vrrp_instance X {\ninterface eth0\nvirtual_router_id 9\nnative_ipv6\nversion 2\nvirtual_ipaddress {\n2001:db8::1\n}\n}",
        5,
        false,
    ),
    (
        Root,
        "vrrp_instance X {\ninterface eth0\nvirtual_router_id 9\nuse_vmac vrrp.9\nvirtual_ipaddress {\n10.0.0.9\n}\n}\nvrrp_instance Y {\ninterface eth0\nvirtual_router_id 10\nuse_vmac vrrp.9\nvirtual_ipaddress {\n10.0.0.10\n}\n}",
        5,
        false,
    ),
    (Block("vrrp_track_process P"), "process x\nquorum 5\nquorum_max 3", 5, false),
    (Block("vrrp_track_process P"), "quorum_max 3\nquorum 5\nprocess x", 5, false),
    (Block("vrrp_track_process P"), "process x\nquorum 2\nquorum_max 0", 5, false),
    (Block("vrrp_track_process P"), "process x\nquorum_max 0", 0, false),
    (Within("virtual_routes"), "10.0.0.0/24 dev eth0 track_group", 5, true),
    (Within("virtual_rules"), "from 10.0.0.0/24 table 5 preference 5 track_group", 5, true),
    (Block("static_routes"), "10.0.0.0/24 dev eth0 track_group", 2, true),
    (
        Block("virtual_server 10.0.0.17 80"),
        "lvs_method TUN\nlvs_sched rr\nprotocol TCP\nreal_server 10.0.0.8 81 {\n}",
        5,
        false,
    ),
    (
        Block("virtual_server 10.0.0.17 80"),
        "lvs_method NAT\nlvs_sched rr\nprotocol TCP\nreal_server 10.0.0.8 81 {\n}",
        0,
        false,
    ),
    (
        Block("virtual_server fwmark 5"),
        "lvs_method TUN\nlvs_sched rr\nreal_server 10.0.0.8 81 {\n}",
        5,
        false,
    ),
    (
        Block("virtual_server 2001:db8::5 80"),
        "persistence_granularity 255.255.255.0\nlvs_method NAT\nlvs_sched rr\nprotocol TCP\nreal_server 2001:db8::6 80 {\n}",
        5,
        true,
    ),
    (
        Block("virtual_server 2001:db8::5 80"),
        "persistence_granularity 64\nlvs_method NAT\nlvs_sched rr\nprotocol TCP\nreal_server 2001:db8::6 80 {\n}",
        0,
        false,
    ),
    (Check("BFD_CHECK"), "name B\n}\nBFD_CHECK {\nname B", 5, false),
    (Check("TCP_CHECK"), "connect_ip fe80::5", 5, false),
    (Check("TCP_CHECK"), "connect_ip fe80::5\nbind_if eth0", 0, false),
    (Check("SMTP_CHECK"), "host {\nconnect_ip fe80::5\n}", 5, false),
];

#[test]
fn lines_are_judged_as_keepalived_judges_them() {
    for place in [Root, Global, Instance, Group, Script, Server, Real] {
        let loaded = read(&text(&place, ""));
        assert_eq!(loaded.test_status(), 0, "{:?}", loaded.diagnostics);
    }
    for (place, line, status, named) in CASES {
        let text = text(place, line);
        let loaded = read(&text);
        assert_eq!(loaded.test_status(), *status, "{line}: {:#?}", loaded.diagnostics);
        let first = line.lines().next().unwrap();
        let number = text.lines().count() - text.lines().rev().position(|other| other == first).unwrap();
        let counted = loaded.diagnostics.iter().filter(|diagnostic| diagnostic.class != Class::Silent);
        let mut lines =
            counted.filter_map(|diagnostic| diagnostic.primary).map(|span| loaded.sources.line(span));
        if *named {
            assert!(lines.any(|line| line as usize == number), "{line}: {:#?}", loaded.diagnostics);
        }
    }
}
