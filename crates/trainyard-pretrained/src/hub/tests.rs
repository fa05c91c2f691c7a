//! Downloads from a hub on this machine.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use super::*;

const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

/// A hub with one model, `a/b`, and the bytes that were asked for of each file.
struct Hub {
    endpoint: String,
    sent: Arc<Mutex<BTreeMap<String, usize>>>,
}

impl Hub {
    fn start(files: &[(&'static str, usize)]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let sent = Arc::<Mutex<BTreeMap<String, usize>>>::default();
        let (files, of_thread) = (files.to_vec(), Arc::clone(&sent));
        let serve = move || {
            for stream in listener.incoming() {
                answer(&files, stream.unwrap(), &of_thread);
            }
        };
        std::thread::Builder::new().name("hub".to_owned()).spawn(serve).unwrap();
        Self { endpoint, sent }
    }

    fn sent(&self) -> BTreeMap<String, usize> {
        std::mem::take(&mut self.sent.lock().unwrap())
    }
}

/// The bytes of a file.
fn content(name: &str, bytes: usize) -> Vec<u8> {
    name.bytes().cycle().take(bytes).collect()
}

fn answer(files: &[(&str, usize)], mut stream: TcpStream, sent: &Mutex<BTreeMap<String, usize>>) {
    let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
    let request = lines.next().unwrap().unwrap();
    let path = request.split(' ').nth(1).unwrap().to_owned();
    let mut range = None;
    for line in lines.map_while(Result::ok).take_while(|line| !line.is_empty()) {
        let (name, value) = line.split_once(": ").unwrap();
        if name.eq_ignore_ascii_case("range") {
            let (from, to) = value.strip_prefix("bytes=").unwrap().split_once('-').unwrap();
            range = Some((from.parse::<usize>().unwrap(), to.parse::<usize>().ok()));
        }
    }
    let file = path.strip_prefix("/a/b/resolve/main/");
    let file = file.and_then(|name| files.iter().find(|(known, _)| *known == name));
    let (head, body) = if path == "/api/models/a/b/revision/main" {
        let names = files.iter().map(|(name, _)| serde_json::json!({ "rfilename": name }));
        let names: Vec<_> = names.collect();
        let info = serde_json::json!({ "sha": COMMIT, "siblings": names });
        ("200 OK".to_owned(), info.to_string().into_bytes())
    } else if let Some((name, bytes)) = file {
        let (from, to) = range.unwrap_or((0, None));
        let end = to.map_or(*bytes, |to| bytes.min(&(to + 1)).to_owned());
        let part = content(name, *bytes)[from.min(end)..end].to_vec();
        // One byte is asked for to learn of the rest.
        if (from, to) != (0, Some(0)) {
            *sent.lock().unwrap().entry((*name).to_owned()).or_default() += part.len();
        }
        let last = end.saturating_sub(1);
        let head = format!(
            "206 Partial Content\r\nETag: \"{name}-1\"\r\nX-Repo-Commit: {COMMIT}\r\n\
             Content-Range: bytes {from}-{last}/{bytes}"
        );
        (head, part)
    } else {
        ("404 Not Found".to_owned(), b"{}".to_vec())
    };
    let length = body.len();
    let head = format!("HTTP/1.1 {head}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n");
    // Whoever has enough hangs up.
    let _gone = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(&body)).is_err();
}

#[test]
fn a_model_is_downloaded_once_into_the_cache() {
    let files = [
        ("config.json", 300),
        ("model-00001-of-00002.safetensors", 300_000),
        ("model-00002-of-00002.safetensors", 5),
        ("model.safetensors.index.json", 40),
        ("tokenizer.json", 70_000),
        ("README.md", 17),
        ("onnx/model.onnx", 9),
        ("pytorch_model.bin", 9),
        ("consolidated.safetensors", 9),
    ];
    let (hub, cache) = (Hub::start(&files), tempfile::tempdir().unwrap());
    let get = |name: &str| download(name, cache.path(), Some(hub.endpoint.clone()));
    let folder = get("a/b").unwrap();
    let main = fs::read_to_string(cache.path().join("models--a--b/refs/main")).unwrap();
    assert_eq!(folder, cache.path().join("models--a--b/snapshots").join(main));
    let (wanted, others) = files.split_at(6);
    for (name, bytes) in wanted {
        assert_eq!(fs::read(folder.join(name)).unwrap(), content(name, *bytes), "{name}");
    }
    assert!(others.iter().all(|(name, _)| !folder.join(name).exists()));
    let expected: BTreeMap<_, _> =
        wanted.iter().map(|(name, n)| ((*name).to_owned(), *n)).collect();
    assert_eq!(hub.sent(), expected);
    assert_eq!(get("a/b").unwrap(), folder);
    assert!(hub.sent().is_empty(), "nothing is asked for again");
    let error = get("a/c").unwrap_err().to_string();
    assert!(error.contains("a/c cannot be downloaded: ") && error.contains("404"), "{error}");
}

#[test]
fn what_is_no_model_of_files_is_said() {
    let (hub, cache) = (Hub::start(&[("config.json", 2)]), tempfile::tempdir().unwrap());
    let error = download("a/b", cache.path(), Some(hub.endpoint)).unwrap_err().to_string();
    assert!(error.contains("it has no .safetensors there"), "{error}");
    assert!(!cache.path().join("models--a--b").exists());
}
