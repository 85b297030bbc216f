//! The global part of the data files.

use std::fmt::{Display, Write as _};

use steadfast_config::model::{BufferPolicy, Global, LvsFlushOnStop, ProcessSettings};

/// keepalived's umask where the configuration has none.
const UMASK: u32 = 0o177;

/// Global definitions.
pub(super) fn text(global: &Global) -> String {
    let mut out = Fields { text: "------< Global definitions >------\n".to_owned() };
    identity(&mut out, global);
    vrrp(&mut out, global);
    processes(&mut out, global);
    interfaces(&mut out, global);
    buffers(&mut out, global);
    out.field("rs_init_notifies", u8::from(global.rs_init_notifies));
    out.field("no_checker_emails", u8::from(global.mail.no_checkers));
    out.field("rx_bufs_multiples", global.receive_buffer_multiplier);
    out.field("umask", format_args!("0{:o}", global.umask.unwrap_or(UMASK)));
    out.text
}

struct Fields {
    text: String,
}

impl Fields {
    fn field(&mut self, name: &str, value: impl Display) {
        self.line(format_args!("{name} = {value}"));
    }

    fn line(&mut self, what: impl Display) {
        // Writing to a String cannot fail.
        let _ = writeln!(self.text, " {what}");
    }
}

fn identity(out: &mut Fields, global: &Global) {
    let unset = |value: Option<bool>| match value {
        None => "unset",
        Some(true) => "on",
        Some(false) => "off",
    };
    let mail = &global.mail;
    out.field("Network namespace", global.net_namespace.as_deref().unwrap_or("(default)"));
    out.field("Network namespace ipvs", global.net_namespace_ipvs.as_deref().unwrap_or("(main namespace)"));
    if let Some(router_id) = &global.router_id {
        out.field("Router ID", router_id);
    }
    if let Some(server) = &mail.server {
        out.field("Smtp server", server);
        out.field("Smtp server port", mail.port);
        if let Some(name) = &mail.helo_name {
            out.field("Smtp HELO name", name);
        }
        out.field("Smtp server connection timeout", mail.timeout);
    }
    if let Some(from) = &mail.from {
        out.field("Email notification from", from);
    }
    if !mail.to.is_empty() {
        out.line("Email notification to:");
        mail.to.iter().for_each(|to| out.line(format_args!("  {to}")));
    }
    out.field("Default smtp_alert", unset(mail.alert));
    out.field("Default smtp_alert_vrrp", unset(mail.alert_vrrp));
    out.field("Default smtp_alert_checker", unset(mail.alert_checker));
    out.field("Checkers log all failures", global.checker_log_all_failures);
    match &global.reload.check_config {
        None => out.line("No test config before reload"),
        Some(log) => out.field("Test config before reload, log to", log),
    }
    out.field("Dynamic interfaces", global.dynamic_interfaces);
    if global.dynamic_interfaces {
        out.field("Allow interface changes", global.allow_interface_changes);
    }
    if let Some(interface) = &global.default_interface {
        out.field("Default interface", interface);
    }
    out.field("Disable local IGMP", if global.disable_local_igmp { "yes" } else { "no" });
    out.field("LVS flush", global.lvs_flush);
    let flush_on_stop = match global.lvs_flush_on_stop {
        LvsFlushOnStop::No => "disabled",
        LvsFlushOnStop::All => "full",
        LvsFlushOnStop::VirtualServers => "VS",
    };
    out.field("LVS flush on stop", flush_on_stop);
}

fn vrrp(out: &mut Fields, global: &Global) {
    let announce = &global.announce;
    out.field("FIFO write vrrp states on reload", global.fifo_write_states_on_reload);
    out.field("VRRP notify priority changes", global.notify_priority_changes);
    out.field("VRRP IPv4 mcast group", global.multicast_group4);
    out.field("VRRP IPv6 mcast group", global.multicast_group6);
    out.field("Gratuitous ARP delay", announce.master_delay);
    out.field("Gratuitous ARP repeat", announce.master_repeat);
    out.field("Gratuitous ARP refresh timer", announce.refresh);
    out.field("Gratuitous ARP refresh repeat", announce.refresh_repeat);
    out.field("Gratuitous ARP lower priority delay", announce.lower_priority_delay);
    out.field("Gratuitous ARP lower priority repeat", announce.lower_priority_repeat);
    out.field("Num adverts before down", global.down_timer_adverts);
    let extra = global.extra_announce.map(|extra| extra.interval).unwrap_or_default();
    out.field("Gratuitous ARP for each secondary VMAC", format_args!("{extra}s"));
    out.field("Send advert after receive lower priority advert", !global.lower_priority_no_advert);
    out.field("Send advert after receive higher priority advert", global.higher_priority_send_advert);
    let spacing = |interval: steadfast_config::value::Interval| {
        let micros = interval.as_micros();
        format!("{}.{:06}", micros / 1_000_000, micros % 1_000_000)
    };
    out.field("Gratuitous ARP interval", spacing(global.garp_interval));
    out.field("Gratuitous NA interval", spacing(global.gna_interval));
    out.field("VRRP default protocol version", global.vrrp_version.number());
    if let Some(table) = &global.firewall.nftables_table {
        out.field("nftables table name", table);
        out.field("nftables base chain priority", global.firewall.nftables_priority.unwrap_or(-1));
    }
    out.line(if global.firewall.nftables_counters {
        "nftables with counters"
    } else {
        "nftables without counters"
    });
    out.field("VRRP check unicast_src", global.check_unicast_source);
    out.field("VRRP skip check advert addresses", global.skip_check_addresses);
    out.field("VRRP strict mode", global.strict);
    out.field("Max auto priority", global.max_auto_priority.unwrap_or(-1));
    out.field(
        "Min auto priority delay",
        format_args!("{} usecs", global.min_auto_priority_delay_microseconds),
    );
}

fn processes(out: &mut Fields, global: &Global) {
    let processes: [(&str, &ProcessSettings); 3] =
        [("VRRP", &global.vrrp_process), ("Checker", &global.checker_process), ("BFD", &global.bfd_process)];
    for (name, settings) in processes {
        out.field(&format!("{name} process priority"), settings.nice);
        out.field(&format!("{name} don't swap"), settings.no_swap);
        out.field(&format!("{name} realtime priority"), settings.realtime_priority.unwrap_or(0));
        out.field(&format!("{name} realtime limit"), settings.realtime_limit_microseconds);
    }
}

fn interfaces(out: &mut Fields, global: &Global) {
    let switch = |on: bool| if on { "enabled" } else { "disabled" };
    let snmp = &global.snmp;
    out.line(format_args!("SNMP vrrp {}", switch(snmp.vrrp)));
    out.line(format_args!("SNMP checker {}", switch(snmp.checker)));
    out.line(format_args!("SNMP RFCv2 {}", switch(snmp.rfc2787)));
    out.line(format_args!("SNMP RFCv3 {}", switch(snmp.rfc6527)));
    out.line(format_args!("SNMP traps {}", switch(snmp.traps)));
    out.field("SNMP socket", snmp.socket.as_deref().unwrap_or("default (unix:/var/agentx/master)"));
    out.line(format_args!("DBus {}", switch(global.dbus)));
    out.field("DBus service name", global.dbus_service_name.as_deref().unwrap_or_default());
    out.line(format_args!("Script security {}", switch(global.enable_script_security)));
}

fn buffers(out: &mut Fields, global: &Global) {
    let buffers: [(&str, &BufferPolicy); 5] = [
        ("vrrp_netlink_cmd", &global.vrrp_netlink_command_buffer),
        ("vrrp_netlink_monitor", &global.vrrp_netlink_monitor_buffer),
        ("process_monitor", &global.process_monitor_buffer),
        ("lvs_netlink_cmd", &global.lvs_netlink_command_buffer),
        ("lvs_netlink_monitor", &global.lvs_netlink_monitor_buffer),
    ];
    for (name, policy) in buffers {
        out.field(&format!("{name}_rcv_bufs"), policy.bytes.unwrap_or(0));
        out.field(&format!("{name}_rcv_bufs_force"), u8::from(policy.force));
    }
}
