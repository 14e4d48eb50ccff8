//! One connection to a server, and requests one after the other.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    process::Child,
    thread,
    time::Duration,
};

use anyhow::{Context, Result, bail, ensure};

/// The longest time that a server may take to listen; under valgrind it takes seconds.
const START: Duration = Duration::from_secs(60);

/// Waits until a program that has just been started listens on a port.
#[expect(clippy::disallowed_methods, reason = "nothing else runs in this process")]
pub(super) fn wait_for(program: &mut Child, port: u16) -> Result<()> {
    const POLL: Duration = Duration::from_millis(20);
    for _ in 0..START.as_millis() / POLL.as_millis() {
        if TcpStream::connect(("127.0.0.1", port)).is_ok() {
            return Ok(());
        }
        if let Some(status) = program.try_wait()? {
            bail!("the program for port {port} ended with {status}");
        }
        thread::sleep(POLL);
    }
    bail!("nothing listens on port {port} after {START:?}")
}

/// Sends the requests and reads each response to its end. Any status but 200 is an error.
pub(super) fn send(port: u16, requests: impl Iterator<Item = String>) -> Result<()> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(START))?;
    stream.set_nodelay(true)?;
    let mut reader = BufReader::new(stream.try_clone()?);
    for request in requests {
        stream.write_all(request.as_bytes())?;
        receive(&mut reader)?;
    }
    Ok(())
}

/// Returns the request for an answer to a chat.
pub(super) fn chat(body: &str) -> String {
    format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n\
         content-length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// Returns the request for the metrics.
pub(super) fn metrics() -> String {
    "GET /metrics HTTP/1.1\r\nhost: localhost\r\n\r\n".to_owned()
}

fn receive(reader: &mut impl BufRead) -> Result<()> {
    let status = line(reader)?;
    let mut length = None;
    loop {
        let header = line(reader)?.to_ascii_lowercase();
        if header.is_empty() {
            break;
        }
        if let Some(value) = header.strip_prefix("content-length:") {
            length = Some(value.trim().parse::<u64>()?);
        }
    }
    let mut body = Vec::new();
    match length {
        Some(length) => {
            reader.take(length).read_to_end(&mut body)?;
        }
        None => loop {
            let size = u64::from_str_radix(&line(reader)?, 16).context("no size of a chunk")?;
            reader.by_ref().take(size).read_to_end(&mut body)?;
            line(reader)?;
            if size == 0 {
                break;
            }
        },
    }
    ensure!(status.contains(" 200 "), "{status}: {}", String::from_utf8_lossy(&body));
    Ok(())
}

fn line(reader: &mut impl BufRead) -> Result<String> {
    let mut line = String::new();
    ensure!(reader.read_line(&mut line)? > 0, "the server closed the connection");
    Ok(line.trim_end().to_owned())
}
