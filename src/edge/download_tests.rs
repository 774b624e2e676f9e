//! Tests of `download.rs` against a small HTTP server on the loopback.

use super::*;
use crate::spec::model::Architecture;
use std::io::{BufRead as _, BufReader};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;

/// What the server serves: 300,000 bytes that differ from each other.
fn body() -> Vec<u8> {
    (0..300_000u32).map(|n| (n % 251) as u8).collect()
}

/// Answers by path: `/ok`, `/whole` (knows no ranges), `/cut` (closes the first connection half way), `/busy` (503 once),
/// `/wrong` (other bytes), `/slow` (in small pieces), `/stuck` (never goes on); all else is 404. Remembers requests.
struct Server {
    address: String,
    seen: Arc<Mutex<Vec<String>>>,
}

impl Server {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let seen = Arc::new(Mutex::new(vec![]));
        let remembered = seen.clone();
        // Ends with the test's process.
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let seen = remembered.clone();
                std::thread::spawn(move || answer(stream, &seen));
            }
        });
        Self { address, seen }
    }

    fn requests(&self, path: &str) -> Vec<String> {
        self.seen.lock().unwrap().iter().filter(|line| line.starts_with(path)).cloned().collect()
    }
}

fn answer(mut stream: TcpStream, seen: &Mutex<Vec<String>>) -> Option<()> {
    let mut lines = BufReader::new(stream.try_clone().ok()?).lines();
    let path = lines.next()?.ok()?.split(' ').nth(1)?.to_owned();
    let headers: Vec<String> = lines.map_while(Result::ok).take_while(|line| !line.is_empty()).collect();
    let range = headers.iter().find_map(|line| line.strip_prefix("range: bytes=")?.strip_suffix('-')?.parse().ok());
    let (from, first) = {
        let mut seen = seen.lock().unwrap();
        let first = !seen.iter().any(|line| line.starts_with(&path));
        seen.push(format!("{path} {}", range.unwrap_or(0)));
        (range.unwrap_or(0usize), first)
    };
    let mut bytes = body();
    let status = match path.as_str() {
        "/busy" if first => "503 Busy",
        "/ok" | "/cut" | "/slow" | "/stuck" | "/busy" if from >= bytes.len() && from > 0 => "416 Range",
        "/ok" | "/cut" | "/slow" | "/stuck" | "/busy" | "/dir/ok" if from > 0 => "206 Partial",
        "/ok" | "/cut" | "/slow" | "/stuck" | "/busy" | "/dir/ok" | "/whole" => "200 OK",
        "/wrong" => {
            bytes[7] ^= 1;
            "200 OK"
        }
        _ => "404 Not Found",
    };
    let part = match status.split(' ').next()? {
        "200" => &bytes[..],
        "206" => &bytes[from..],
        _ => b"",
    };
    let length = part.len();
    write!(stream, "HTTP/1.1 {status}\r\ncontent-length: {length}\r\nconnection: close\r\n").ok()?;
    if status.starts_with("206") {
        write!(stream, "content-range: bytes {from}-{}/{}\r\n", bytes.len() - 1, bytes.len()).ok()?;
    }
    stream.write_all(b"\r\n").ok()?;
    match path.as_str() {
        "/cut" if first => stream.write_all(&part[..length / 2]).ok()?,
        "/stuck" => {
            stream.write_all(&part[..1000.min(length)]).ok()?;
            std::thread::sleep(Duration::from_secs(20));
        }
        "/slow" => {
            for piece in part.chunks(30_000) {
                stream.write_all(piece).ok()?;
                std::thread::sleep(Duration::from_millis(20));
            }
        }
        _ => stream.write_all(part).ok()?,
    }
    Some(())
}

#[derive(Default)]
struct Counter(Mutex<u64>);

impl Watch for Counter {
    fn start(&self, _index: usize, total: Option<u64>, have: u64) {
        assert!(total.is_none_or(|total| total >= have));
    }
    fn advance(&self, _index: usize, bytes: u64) {
        *self.0.lock().unwrap() += bytes;
    }
    fn end(&self, _index: usize) {}
}

struct World {
    directory: tempfile::TempDir,
    cache: Cache,
    server: Server,
    counter: Counter,
}

fn world() -> World {
    let directory = tempfile::tempdir().unwrap();
    let cache = Cache::find(Some(&directory.path().join("cache"))).unwrap();
    World { directory, cache, server: Server::start(), counter: Counter::default() }
}

impl World {
    fn artifact(&self, source: &str) -> LockedArtifact {
        LockedArtifact {
            name: "tool".into(),
            version: "1".into(),
            platform: Architecture::Amd64,
            digest: Digest::of(&body()),
            source: source.replace('@', &self.server.address),
        }
    }

    fn get(&self, artifact: LockedArtifact, options: &Options) -> Result<Fetched, String> {
        let mut results = fetch(&[artifact], &self.cache, options, &self.counter).unwrap();
        results.remove(0).map_err(|error| error.to_string())
    }
}

fn quick() -> Options {
    Options { attempts: 2, patience: Duration::from_millis(600), ..Options::default() }
}

const ALL: Fetched = Fetched::Downloaded(300_000);

#[test]
fn files_arrive_whole_by_every_way() {
    for path in ["@/ok", "@/whole", "@/slow", "@/busy"] {
        let world = world();
        assert_eq!(world.get(world.artifact(path), &quick()), Ok(ALL), "{path}");
        assert!(world.cache.verify(&Digest::of(&body())).unwrap());
        assert_eq!(*world.counter.0.lock().unwrap(), 300_000);
        assert_eq!(world.get(world.artifact(path), &quick()), Ok(Fetched::Present));
    }
}

#[test]
fn a_cut_transfer_goes_on_where_it_stopped() {
    let world = world();
    let one_try = Options { attempts: 1, ..quick() };
    let error = world.get(world.artifact("@/cut"), &one_try).unwrap_err();
    assert!(error.contains("/cut: "), "{error}");
    assert!(!world.cache.has(&Digest::of(&body())));
    assert_eq!(world.get(world.artifact("@/cut"), &one_try), Ok(Fetched::Downloaded(150_000)));
    assert_eq!(world.server.requests("/cut"), ["/cut 0", "/cut 150000"]);
}

#[test]
fn leftovers_are_not_believed() {
    for leftover in [b"garbage".to_vec(), body(), [body(), b"more".to_vec()].concat()] {
        let world = world();
        let partial = world.cache.partial(&Digest::of(&body())).unwrap();
        fs::write(partial, &leftover).unwrap();
        assert!(world.get(world.artifact("@/ok"), &quick()).is_ok(), "{} bytes", leftover.len());
        assert!(world.cache.verify(&Digest::of(&body())).unwrap());
    }
}

#[test]
fn what_fails_says_why_and_leaves_nothing_wrong() {
    let world = world();
    for (source, expected) in [
        ("@/missing", "/missing: the server answers 404"),
        ("@/wrong", "not the pinned digest"),
        ("@/stuck", "/stuck: "),
        ("http://127.0.0.1:1/x", "http://127.0.0.1:1/x: "),
        ("ftp://host/x", "only http://"),
        ("file:///nowhere/at/all", "file:///nowhere/at/all: No such file"),
        ("vendored:kubelet", "a build of your own"),
    ] {
        let error = world.get(world.artifact(source), &quick()).unwrap_err();
        assert!(error.contains(expected), "{source}: {error}");
        assert!(!world.cache.has(&Digest::of(&body())), "{source}");
    }
    assert_eq!(world.server.requests("/missing").len(), 1, "a 404 is final");
    assert_eq!(world.server.requests("/stuck").len(), 2, "a stall is tried again");
}

#[test]
fn mirrors_and_files_stand_in_for_the_source() {
    let world = world();
    let mirror = world.directory.path().join("a mirror");
    fs::create_dir_all(mirror.join("example.org/dir")).unwrap();
    fs::write(mirror.join("example.org/dir/tool.bin"), body()).unwrap();
    let prefix = format!("file://{}", mirror.display()).replace(' ', "%20");
    let options = Options { mirror: Some(prefix), ..quick() };
    assert_eq!(world.get(world.artifact("https://example.org/dir/tool.bin"), &options), Ok(ALL));
    fs::remove_file(world.cache.path(&Digest::of(&body()))).unwrap();
    let options = Options { mirror: Some(format!("{}/dir/", world.server.address)), ..quick() };
    assert_eq!(world.get(world.artifact("https://example.org/v1/ok"), &options), Ok(ALL), "by its bare name");
    let asked = world.server.requests("/dir/");
    assert_eq!(asked, ["/dir/example.org/v1/ok 0", "/dir/ok 0"]);
}

#[test]
fn many_files_keep_their_order() {
    let world = world();
    let sources = ["@/ok", "@/missing", "vendored:x", "@/slow"];
    let mut artifacts: Vec<_> = sources.iter().map(|source| world.artifact(source)).collect();
    artifacts[1].digest = Digest::of(b"elsewhere");
    artifacts[2].digest = Digest::of(b"own");
    let results = fetch(&artifacts, &world.cache, &quick(), &world.counter).unwrap();
    let good: Vec<bool> = results.iter().map(Result::is_ok).collect();
    assert_eq!(good, [true, false, false, true]);
}
