//! The commands of `docs/databases.md` that send messages, against a receiver on the loopback interface.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::Path;

use serde_json::Value;

use crate::support::{Workshop, run};

/// The first block of commands after a heading of the page.
fn script(heading: &str) -> String {
    let page = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/databases.md")).unwrap();
    let section = page.split(&format!("### {heading}\n")).nth(1).unwrap();
    section.split("```sh\n").nth(1).unwrap().split("```").next().unwrap().to_string()
}

/// Receives the bodies of this many requests.
fn receive(listener: &TcpListener, requests: usize) -> Vec<Value> {
    let mut bodies = vec![];
    for stream in listener.incoming().take(requests) {
        let mut stream = stream.unwrap();
        let mut request = vec![];
        let mut piece = [0; 4096];
        let body = loop {
            let read = stream.read(&mut piece).unwrap();
            request.extend_from_slice(&piece[..read]);
            let text = String::from_utf8_lossy(&request).into_owned();
            let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
            let length =
                head.lines().find_map(|line| line.to_lowercase().strip_prefix("content-length: ")?.parse().ok());
            if length.is_some_and(|length: usize| body.len() >= length) {
                break body.to_string();
            }
        };
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").unwrap();
        bodies.push(serde_json::from_str(&body).unwrap());
    }
    bodies
}

#[test]
fn messages_name_what_is_not_clean() {
    let shop = Workshop::new();
    fs::write(shop.path("old.csv"), "id,v\n1,a\n2,b\n").unwrap();
    fs::write(shop.path("new.csv"), "id,v\n1,A\n").unwrap();
    let job =
        |new: &str| format!("[old]\npath = \"../old.csv\"\n[new]\npath = \"../{new}.csv\"\n[compare]\nkey = \"id\"\n");
    fs::create_dir(shop.path("jobs")).unwrap();
    for (name, new) in [("clean", "old"), ("differs", "new"), ("gone", "gone")] {
        fs::write(shop.path(&format!("jobs/{name}.toml")), job(new)).unwrap();
    }
    for heading in ["Slack", "Teams"] {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        fs::write(shop.path("notify.sh"), script(heading)).unwrap();
        let receiver = std::thread::spawn(move || receive(&listener, 2));
        let notify = format!("{}_WEBHOOK={address} sh notify.sh", heading.to_uppercase());
        let (code, _, err) = run(&shop, &["run", "jobs", "--quiet", "--notify", &notify]);
        assert!(code == 2 && !err.contains("--notify"), "{err}");
        let bodies = receiver.join().unwrap();
        let texts: Vec<String> = bodies.iter().map(Value::to_string).collect();
        assert!(texts[0].contains("differs") && texts[0].contains("1 mismatch, 1 missing row"), "{texts:?}");
        assert!(texts[1].contains("gone") && texts[1].contains("does not exist"), "{texts:?}");
        match heading {
            "Slack" => assert!(bodies[0]["text"].as_str().unwrap().starts_with("*differs*: DISCREPANT"), "{texts:?}"),
            _ => {
                let card = &bodies[0]["attachments"][0]["content"];
                assert_eq!((&card["type"], &card["body"][0]["text"]), (&"AdaptiveCard".into(), &"differs".into()));
            }
        }
    }
}
