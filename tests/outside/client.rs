//! A program with its own `reqwest`, which has fb in its graph and does not use it: its client is built and answers.

use std::{
    io::{Read, Write},
    net::TcpListener,
    thread,
};

use fb as _;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let url = format!("http://{}/", listener.local_addr()?);
    let server = thread::spawn(move || -> std::io::Result<()> {
        let (mut stream, _) = listener.accept()?;
        // The head of a request without a body arrives in one piece.
        let _length = stream.read(&mut [0; 4096])?;
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\nconnection: close\r\n\r\nhello")
    });
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let text = runtime.block_on(async { reqwest::Client::new().get(url).send().await?.text().await })?;
    server.join().map_err(|_panic| "the server panicked")??;
    assert_eq!(text, "hello");
    println!("{}: {text}", env!("CARGO_PKG_NAME"));
    Ok(())
}
