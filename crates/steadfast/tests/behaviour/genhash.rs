//! Digests of pages, beside keepalived's program for them.

use std::net::TcpStream;
use std::process::{Child, Command};
use std::time::Duration;

use steadfast_lab::{Host, Program, permission, wait};

const LIMIT: Duration = Duration::from_secs(30);

/// nginx that serves pages plainly and by TLS, in a network of its own.
struct Web {
    host: Host,
    nginx: Child,
}

impl Web {
    fn start() -> Self {
        let host = Host::new("web").unwrap();
        let page: String = (0..100_000).map(|line| format!("line {line}\n")).collect();
        for (path, contents) in [("large", page.as_str()), ("small", "all is well\n"), ("empty", "")] {
            host.write(&format!("/run/web/{path}"), contents).unwrap();
        }
        let made = host.run(&[
            "openssl",
            "req",
            "-x509",
            "-newkey",
            "rsa:2048",
            "-nodes",
            "-subj",
            "/CN=www.example.com",
            "-days",
            "2",
            "-keyout",
            "/run/web/key",
            "-out",
            "/run/web/certificate",
        ]);
        let made = made.unwrap();
        assert!(made.status.success(), "{}", made.output);
        let configuration =
            "daemon off; master_process off; user root; pid /run/web/pid; error_log /run/web/errors;
             events {}
             http {
               access_log off; client_body_temp_path /run/web; proxy_temp_path /run/web;
               fastcgi_temp_path /run/web; uwsgi_temp_path /run/web; scgi_temp_path /run/web;
               server {
                 listen 127.0.0.1:80; root /run/web;
                 location /named { return 200 $host; }
               }
               server {
                 listen 127.0.0.1:443 ssl; root /run/web; ssl_certificate /run/web/certificate;
                 ssl_certificate_key /run/web/key;
                 location /named { return 200 $ssl_server_name; }
               }
             }";
        host.write("/run/web/conf", configuration).unwrap();
        let mut command = Command::new("/usr/sbin/nginx");
        let nginx = host.spawn(command.args(["-c", "/run/web/conf", "-p", "/run/web"])).unwrap();
        let web = Self { host, nginx };
        let answers = || web.host.network().run(|| TcpStream::connect("127.0.0.1:443").is_ok()).unwrap();
        assert!(wait::until(LIMIT, answers), "nginx does not listen");
        web
    }
}

impl Drop for Web {
    fn drop(&mut self) {
        let _ = self.nginx.kill();
        let _ = self.nginx.wait();
    }
}

#[test]
fn digests_and_reports_are_those_of_keepalived() {
    let test = "digests_and_reports_are_those_of_keepalived";
    let Some(program) = Program::steadfast(test).filter(|_| permission::lab_possible(test)) else { return };
    let program = program.path().to_str().unwrap();
    let web = Web::start();
    let plain = ["-s", "127.0.0.1", "-p", "80"];
    let secure = ["-S", "-s", "127.0.0.1", "-p", "443"];
    for words in [
        [&plain[..], &["-u", "/small"]].concat(),
        [&plain[..], &["-u", "/large", "-P", "1.0c"]].concat(),
        [&plain[..], &["-u", "/empty", "-P", "1.1"]].concat(),
        [&plain[..], &["-u", "/no-such-page"]].concat(),
        [&plain[..], &["-V", "www.example.com", "-u", "/named"]].concat(),
        [&plain[..], &["-v", "-u", "/small"]].concat(),
        [&secure[..], &["-u", "/large"]].concat(),
        [&secure[..], &["-I", "-V", "www.example.com", "-u", "/named"]].concat(),
    ] {
        let theirs = web.host.run(&[&["genhash"], words.as_slice()].concat()).unwrap();
        let ours = web.host.run(&[&[program, "genhash"], words.as_slice()].concat()).unwrap();
        assert_eq!(ours.status.code(), Some(0), "{words:?}: {}", ours.output);
        assert_eq!(comparable(&ours.output), comparable(&theirs.output), "{words:?}");
    }
    // keepalived ends with 0 here too, and prints the reason where the digest is expected.
    let refused = web.host.run(&[program, "genhash", "-s", "127.0.0.1", "-p", "81", "-u", "/"]).unwrap();
    assert_eq!(refused.status.code(), Some(1));
    assert!(refused.output.contains("there is no digest: Connection refused"), "{}", refused.output);
}

/// Without how long it took, and without the time of the server.
fn comparable(output: &str) -> Vec<&str> {
    let differs = |line: &&str| {
        line.starts_with("Global response time") || line.starts_with("Date: ") || line.starts_with("00")
    };
    output.lines().filter(|line| !differs(line)).collect()
}
