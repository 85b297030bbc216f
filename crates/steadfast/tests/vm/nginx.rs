//! nginx on a host.

use std::path::Path;
use std::sync::Arc;

use steadfast_lab::Host;

use super::running::Running;

/// The folder of a server.
pub(crate) fn home(name: &str) -> String {
    format!("/run/nginx-{name}")
}

/// Starts one with these `server` blocks.
pub(crate) fn start(host: &Arc<Host>, name: &str, servers: &str) -> Running {
    assert!(Path::new("/usr/sbin/nginx").exists(), "the guest's packages bring nginx");
    let home = home(name);
    let configuration = format!(
        "daemon off; master_process off; user root; pid {home}/pid; error_log {home}/errors;
         events {{}}
         http {{
           access_log off; client_body_temp_path {home}; proxy_temp_path {home}; fastcgi_temp_path {home};
           uwsgi_temp_path {home}; scgi_temp_path {home};
           {servers}
         }}"
    );
    host.write(&format!("{home}/conf"), &configuration).unwrap();
    Running::start(host, &["/usr/sbin/nginx", "-c", &format!("{home}/conf"), "-p", &home])
}
