//! Servers that are asked by other means than connecting: sessions of BFD, certificates and the health service of gRPC,
//! each with a program of others at the other end.

use std::net::TcpStream;
use std::path::Path;
use std::sync::Arc;

use steadfast_lab::frr::{self, Bfd};
use steadfast_lab::{Daemon, Host, Program, Segment, Signal, permission, wait};

use super::director::{Director, LIMIT, balances};
use super::nginx;
use super::running::Running;

const SERVICE: &str = "-A -t 10.9.0.1:80 -s wrr";

const TLS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/vm/tls");

/// One server with one check.
fn service(server: &str, check: &str) -> String {
    format!(
        "virtual_server 10.9.0.1 80 {{
           delay_loop 1
           warmup 0
           connect_timeout 10
           lb_algo wrr
           lb_kind NAT
           protocol TCP
           real_server {server} {{
             {check}
           }}
         }}\n"
    )
}

/// As ipvsadm saves it.
fn entry(server: &str) -> String {
    format!("-a -t 10.9.0.1:80 -r {} -m -w 1", server.replace(' ', ":"))
}

fn bfdd(host: &Arc<Host>) -> Bfd {
    let peer = " peer 10.0.0.1 interface eth0\n  detect-multiplier 5\n  receive-interval 200\n  \
                transmit-interval 200\n  no shutdown\n !\n";
    Bfd::start(host, peer).unwrap()
}

#[test]
fn a_server_goes_with_its_session_with_frr() {
    let test = "a_server_goes_with_its_session_with_frr";
    let Some(program) = Program::steadfast(test).filter(|_| balances(test)) else { return };
    if !frr::Router::installed(test) {
        return;
    }
    let segment = Segment::new().unwrap();
    let director = Director { host: segment.host("director").unwrap(), program };
    let host = segment.host("server").unwrap();
    let session = "bfd_instance path {\n neighbor_ip 10.0.0.2\n min_rx 200\n min_tx 200\n multiplier 5\n}\n";
    let peer = bfdd(&host);
    let daemon =
        director.start(&(session.to_owned() + &service("10.0.0.2 80", "BFD_CHECK {\n name path\n }")));
    let with = entry("10.0.0.2 80");
    director.await_table(&[SERVICE, &with], &daemon);
    let up = || peer.show().unwrap().replace(' ', "").contains("\"status\":\"up\"");
    assert!(wait::until(LIMIT, up), "{}", daemon.log_tail());
    peer.bfdd().signal(Signal::KILL);
    director.await_table(&[SERVICE], &daemon);
    drop(peer);
    let _peer = bfdd(&host);
    director.await_table(&[SERVICE, &with], &daemon);
}

#[test]
fn a_server_that_demands_a_certificate_is_shown_that_of_the_block_ssl() {
    let Some(director) = Director::new("a_server_that_demands_a_certificate_is_shown_that_of_the_block_ssl")
    else {
        return;
    };
    let home = nginx::home("demanding");
    director.host.write(&format!("{home}/page"), "all is well\n").unwrap();
    let block = format!(
        "server {{
           listen 127.0.0.1:8443 ssl; root {home};
           ssl_certificate {TLS}/certificate.pem; ssl_certificate_key {TLS}/key.pem;
           ssl_verify_client on; ssl_client_certificate {TLS}/certificate.pem;
         }}"
    );
    let _nginx = nginx::start(&director.host, "demanding", &block);
    let check = "SSL_GET {\n url {\n path /page\n status_code 200\n }\n }";
    let services = service("127.0.0.1 8443", check);
    let daemon = director.start(&services);
    director.await_table(&[SERVICE], &daemon);
    told(&daemon, "the status is 400");
    let ssl = format!("SSL {{\n certificate {TLS}/certificate.pem\n key {TLS}/key.pem\n}}\n");
    daemon.configure(&(ssl + &services)).unwrap();
    daemon.signal(Signal::HUP);
    director.await_table(&[SERVICE, &entry("127.0.0.1 8443")], &daemon);
    // A key that is not the certificate's is told, and the check is nobody again.
    director.run(&["openssl", "genpkey", "-algorithm", "RSA", "-out", "/run/other.pem"]);
    let ssl = format!("SSL {{\n certificate {TLS}/certificate.pem\n key /run/other.pem\n}}\n");
    daemon.configure(&(ssl + &services)).unwrap();
    daemon.signal(Signal::HUP);
    director.await_table(&[SERVICE], &daemon);
    told(&daemon, "SSL: checks show no certificate to servers");
}

/// The health service as grpcio serves it: what it answers stands in a file.
const HEALTH: &str = "
import concurrent.futures, sys
import grpc

def check(request, context):
    if request == b'\\x0a\\x06nobody':
        context.abort(grpc.StatusCode.NOT_FOUND, 'nobody of that name')
    with open('/run/serving') as told:
        return bytes([8, int(told.read())])

class Health(grpc.GenericRpcHandler):
    def service(self, details):
        if details.method == '/grpc.health.v1.Health/Check':
            return grpc.unary_unary_rpc_method_handler(check)

server = grpc.server(concurrent.futures.ThreadPoolExecutor(4))
server.add_generic_rpc_handlers((Health(),))
certificate, key = (open(path, 'rb').read() for path in sys.argv[1:])
server.add_insecure_port('127.0.0.1:50051')
server.add_secure_port('127.0.0.1:50052', grpc.ssl_server_credentials([(key, certificate)]))
server.start()
server.wait_for_termination()
";

#[test]
fn the_health_service_of_grpcio_decides_over_its_server() {
    let test = "the_health_service_of_grpcio_decides_over_its_server";
    let Some(director) = Director::new(test) else { return };
    if !Path::new("/usr/lib/python3/dist-packages/grpc/__init__.py").exists() {
        permission::left_out(test, "grpcio is not installed (Debian: apt-get install python3-grpcio)");
        return;
    }
    director.host.write("/run/health", HEALTH).unwrap();
    director.host.write("/run/serving", "1").unwrap();
    let words =
        ["/usr/bin/python3", "/run/health", &format!("{TLS}/certificate.pem"), &format!("{TLS}/key.pem")];
    let server = Running::start(&director.host, &words);
    let listens = || director.host.network().run(|| TcpStream::connect("127.0.0.1:50052").is_ok()).unwrap();
    assert!(wait::until(LIMIT, listens), "grpcio does not listen");
    let real = |port: u16, more: &str| {
        format!(
            "real_server 127.0.0.1 {port} {{\n GRPC_CHECK {{\n retry 0\n connect_timeout 10\n {more}\n }}\n }}\n"
        )
    };
    let text = format!(
        "virtual_server 10.9.0.1 80 {{\n delay_loop 1\n warmup 0\n lb_algo wrr\n lb_kind NAT\n protocol TCP\n {}{}{}}}\n",
        real(50_051, "service shop.Basket"),
        real(50_052, "tls"),
        // The same port under another address, so that it is another server.
        real(50_051, "service nobody")
            .replace("127.0.0.1", "127.0.0.2")
            .replace("retry 0", "retry 0\n connect_ip 127.0.0.1"),
    );
    let daemon = director.start(&text);
    let [plain, secure] = ["127.0.0.1 50051", "127.0.0.1 50052"].map(entry);
    director.await_table(&[SERVICE, &plain, &secure], &daemon);
    told(&daemon, "NOT_FOUND");
    director.host.write("/run/serving", "2").unwrap();
    director.await_table(&[SERVICE], &daemon);
    told(&daemon, "NOT_SERVING");
    director.host.write("/run/serving", "1").unwrap();
    director.await_table(&[SERVICE, &plain, &secure], &daemon);
    drop(server);
    director.await_table(&[SERVICE], &daemon);
}

fn told(daemon: &Daemon, what: &str) {
    assert!(daemon.logged(what, LIMIT), "{what}\n{}", daemon.log_tail());
}
