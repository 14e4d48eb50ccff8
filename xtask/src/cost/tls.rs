//! TLS before a simulator: nginx with a certificate of its own.

use std::{fs, path::Path, process::Command};

use anyhow::Result;

use super::server::{Server, free_port};
use crate::{
    apt,
    process::{run, succeeds},
};

/// A running nginx that accepts TLS on two ports, and sends the requests to a simulator.
pub(super) struct Terminator {
    ports: [u16; 2],
    _nginx: Server,
}

impl Terminator {
    /// Starts it. The certificate for `localhost` is `tls.crt` in the folder.
    pub(super) fn start(folder: &Path, upstream: u16) -> Result<Self> {
        if !succeeds(Command::new("nginx").arg("-v")) {
            apt::install(&["nginx-light", "openssl"], "nginx terminates TLS")?;
        }
        let (certificate, key) = (folder.join("tls.crt"), folder.join("tls.key"));
        let mut openssl = Command::new("openssl");
        openssl.args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]);
        openssl.args(["-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]);
        openssl.args(["-addext", "basicConstraints=critical,CA:FALSE"]);
        openssl.arg("-out").arg(&certificate).arg("-keyout").arg(&key);
        run(openssl.stderr(std::process::Stdio::null()))?;
        let ports = [free_port()?, free_port()?];
        let [http1, http2] = ports;
        let config = folder.join("nginx.conf");
        fs::write(
            &config,
            format!(
                "daemon off;
pid {folder}/nginx.pid;
events {{}}
http {{
  access_log off;
  keepalive_requests 1000000;
  ssl_certificate {certificate};
  ssl_certificate_key {key};
  upstream sim {{ server 127.0.0.1:{upstream}; keepalive 8; }}
  server {{ listen 127.0.0.1:{http1} ssl; location / {{ proxy_pass http://sim; proxy_http_version 1.1; \
                 proxy_set_header connection ''; }} }}
  server {{ listen 127.0.0.1:{http2} ssl http2; location / {{ proxy_pass http://sim; proxy_http_version 1.1; \
                 proxy_set_header connection ''; }} }}
}}
",
                folder = folder.display(),
                certificate = certificate.display(),
                key = key.display(),
            ),
        )?;
        let mut nginx = Command::new("nginx");
        nginx.arg("-c").arg(&config).arg("-e").arg(folder.join("nginx.log"));
        Ok(Self { ports, _nginx: Server::start(&mut nginx, http2)? })
    }

    /// Returns the port with HTTP/1.1 and that with HTTP/2.
    pub(super) fn ports(&self) -> [u16; 2] {
        self.ports
    }
}
