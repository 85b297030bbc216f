//! What the kernel tells only to programs in the networks and process trees that the machine started with: of processes.

use std::fs;
use std::path::Path;
use std::process::{Child, Command};

use rustix::net::{AddressFamily, sockopt};
use rustix::process::{Pid, PidfdFlags, PidfdGetfdFlags};
use steadfast_lab::{Program, left_out, wait};

use super::director::LIMIT;

const FOLDER: &str = "/run/monitored";

/// Receive buffers of the sockets by which a process speaks with the kernel.
fn buffers(pid: u32) -> Vec<usize> {
    let pid = Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
    let Ok(process) = rustix::process::pidfd_open(pid, PidfdFlags::empty()) else { return Vec::new() };
    let numbers = fs::read_dir(format!("/proc/{}/fd", pid.as_raw_nonzero())).into_iter().flatten().flatten();
    let numbers = numbers.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    let size = |number: i32| {
        let socket = rustix::process::pidfd_getfd(&process, number, PidfdGetfdFlags::empty()).ok()?;
        let family = sockopt::socket_domain(&socket).ok()?;
        (family == AddressFamily::NETLINK).then(|| sockopt::socket_recv_buffer_size(&socket).ok())?
    };
    numbers.filter_map(size).collect()
}

/// A daemon of the guest itself; it ends with the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = Command::new("kill").arg(self.0.id().to_string()).status();
        let ended = wait::until(LIMIT, || matches!(self.0.try_wait(), Ok(Some(_)) | Err(_)));
        if !ended {
            let _ = self.0.kill();
        }
    }
}

impl Running {
    fn start(program: &Program, configuration: &str) -> Self {
        fs::create_dir_all(FOLDER).unwrap();
        fs::write(format!("{FOLDER}/conf"), configuration).unwrap();
        let mut command = Command::new(program.path());
        command.args(["-n", "-l", "-P"]);
        for (option, file) in [("-f", "conf"), ("-p", "k.pid"), ("-r", "v.pid")] {
            command.arg(option).arg(format!("{FOLDER}/{file}"));
        }
        let log = fs::File::create(format!("{FOLDER}/log")).unwrap();
        command.stdout(log.try_clone().unwrap()).stderr(log);
        Self(command.spawn().unwrap())
    }

    /// Of the process that was started, and of its worker: which of them hears of processes is the program's own matter.
    fn buffers(&self) -> Vec<usize> {
        let worker = fs::read_to_string(format!("{FOLDER}/v.pid")).ok();
        let worker = worker.and_then(|text| text.trim().parse().ok());
        [Some(self.0.id()), worker].into_iter().flatten().flat_map(buffers).collect()
    }
}

/// The kernel doubles what is asked for, for its own overhead.
#[test]
fn the_buffer_for_news_of_processes_has_the_size_that_is_asked_for() {
    let test = "the_buffer_for_news_of_processes_has_the_size_that_is_asked_for";
    // The daemon runs beside the hosts of the lab here, which nobody wants of a machine that does something else.
    if !fs::read_to_string("/proc/cmdline").is_ok_and(|line| line.contains("uml_dir=")) {
        return left_out(test, "it runs a daemon on the machine itself; see `cargo xtask vm`");
    }
    let (Some(ours), Some(theirs)) = (Program::steadfast(test), Program::keepalived(test)) else { return };
    for words in
        ["link add watched0 type dummy", "link set watched0 up", "address add 10.250.0.1/24 dev watched0"]
    {
        let _ = Command::new("modprobe").arg("dummy").status();
        assert!(Command::new("ip").args(words.split(' ')).status().unwrap().success(), "{words}");
    }
    for (lines, wanted) in [
        ("process_monitor_rcv_bufs 100000\n process_monitor_rcv_bufs_force off\n", 200_000),
        ("process_monitor_rcv_bufs 130000000\n process_monitor_rcv_bufs_force\n", 260_000_000),
    ] {
        for program in [&theirs, &ours] {
            let text = format!(
                "global_defs {{\n {lines}}}\nvrrp_track_process shell {{\n process sh\n}}\nvrrp_instance V {{\n interface \
                 watched0\n virtual_router_id 9\n priority 100\n advert_int 1\n virtual_ipaddress {{\n 10.250.0.9/32\n }}\n \
                 track_process {{\n shell\n }}\n}}\n"
            );
            let running = Running::start(program, &text);
            let reached = wait::until(LIMIT, || running.buffers().contains(&wanted));
            let log = || fs::read_to_string(Path::new(FOLDER).join("log")).unwrap_or_default();
            assert!(reached, "{}: {wanted}: {:?}\n{}", program.name(), running.buffers(), log());
        }
    }
}
