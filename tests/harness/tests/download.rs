//! The download of the Kubernetes API, from a server in the form of setup-envtest's index.

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    net::{TcpListener, TcpStream},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Command, Output},
    thread,
    time::{Duration, Instant},
};

use harness::helm::path;

/// Nothing listens at port 1.
const NO_SERVER: &str = "http://127.0.0.1:1/index.yaml";

const PROGRAMS: [&str; 3] = ["etcd", "kube-apiserver", "kubectl"];

/// A folder that is removed at the end.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        let folder = std::env::temp_dir().join(format!("docspace-download-{:016x}", fastrand::u64(..)));
        fs::create_dir_all(&folder).expect("a folder");
        Self(folder)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn run(command: &mut Command) -> String {
    let output = command.output().expect("it runs");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).expect("text")
}

/// An archive as Kubernetes publishes it, with programs that print their name; and its checksum.
fn archive(folder: &Path) -> (PathBuf, String) {
    let programs = folder.join("controller-tools/envtest");
    fs::create_dir_all(&programs).expect("a folder");
    for name in PROGRAMS {
        let program = programs.join(name);
        fs::write(&program, format!("#!/bin/sh\necho {name}\n")).expect("written");
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).expect("set");
    }
    let archive = folder.join("archive.tar.gz");
    run(Command::new("tar")
        .args(["-czf"])
        .arg(&archive)
        .arg("-C")
        .arg(folder)
        .arg("controller-tools"));
    let sum = run(Command::new("sha512sum").arg(&archive));
    let sum = sum.split(' ').next().expect("a sum").to_owned();
    (archive, sum)
}

/// Serves the index at `/index.yaml`, and the archive anywhere else; returns the index' address.
fn serve(archive: &Path, sum: &str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let server = format!("http://{}", listener.local_addr().expect("an address"));
    let arch = if cfg!(target_arch = "aarch64") {
        "arm64"
    } else {
        "amd64"
    };
    let version = run(Command::new("go")
        .args(["list", "-m", "-f", "{{.Version}}", "k8s.io/kubernetes"])
        .current_dir(path("tests/programs/control-plane")));
    let version = version.trim();
    let index = format!(
        "releases:\n  {version}:\n    envtest-{version}-linux-{arch}.tar.gz:\n      hash: {sum}\n      selfLink: {server}/archive\n"
    );
    let archive = fs::read(archive).expect("an archive");
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            // A client that goes away is its own matter.
            let _ = answer(&stream, index.as_bytes(), &archive);
        }
    });
    format!("{server}/index.yaml")
}

fn answer(mut stream: &TcpStream, index: &[u8], archive: &[u8]) -> std::io::Result<()> {
    let mut lines = BufReader::new(stream).lines();
    let first = lines.next().transpose()?.unwrap_or_default();
    for line in lines {
        if line?.is_empty() {
            break;
        }
    }
    let body = if first.contains("/index.yaml") {
        index
    } else {
        archive
    };
    write!(
        stream,
        "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    )?;
    stream.write_all(body)
}

/// `download` with a cache that has setup-envtest only.
fn download(cache: &Path, index: &str) -> Output {
    // Built before, into the user's cache.
    let tool = run(&mut Command::new(path("tests/programs/setup-envtest/build")));
    let tool = Path::new(tool.trim());
    let own = cache.join("docspace-backup-operator");
    fs::create_dir_all(&own).expect("a folder");
    let link = own.join(tool.file_name().expect("a name"));
    let _ = std::os::unix::fs::symlink(tool, link);
    Command::new(path("tests/programs/control-plane/download"))
        .env("XDG_CACHE_HOME", cache)
        .env("GOCACHE", run(Command::new("go").args(["env", "GOCACHE"])).trim())
        .env("ENVTEST_INDEX", index)
        .output()
        .expect("it runs")
}

#[test]
fn programs_are_downloaded_once() {
    let folder = Folder::new();
    let (archive, sum) = archive(&folder.0);
    let index = serve(&archive, &sum);
    let cache = folder.0.join("cache");
    let output = download(&cache, &index);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{said}");
    let programs = String::from_utf8(output.stdout).expect("text");
    let again = download(&cache, NO_SERVER);
    assert_eq!(String::from_utf8_lossy(&again.stdout), programs);
    for name in PROGRAMS {
        assert_eq!(
            run(&mut Command::new(Path::new(programs.trim()).join(name))).trim(),
            name
        );
    }
}

#[test]
fn an_archive_with_another_checksum_is_refused() {
    let folder = Folder::new();
    let (archive, sum) = archive(&folder.0);
    let wrong: String = sum.chars().rev().collect();
    let index = serve(&archive, &wrong);
    let output = download(&folder.0.join("cache"), &index);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && output.stdout.is_empty(), "{said}");
    assert!(said.contains("mismatch"), "{said}");
}

#[test]
fn without_a_server_it_fails_soon_and_says_why_in_a_line() {
    let folder = Folder::new();
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let silent = format!("http://{}/index.yaml", listener.local_addr().expect("an address"));
    for (index, why) in [
        (NO_SERVER, "connection refused"),
        (&silent, "no answer within 5 seconds"),
    ] {
        let start = Instant::now();
        let output = download(&folder.0.join("cache"), index);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && output.stdout.is_empty(), "{said}");
        assert!(said.starts_with("No download of Kubernetes 1."), "{said}");
        assert!(said.contains(why) && said.lines().count() == 1, "{said}");
        assert!(start.elapsed() < Duration::from_secs(20), "{:?}", start.elapsed());
    }
}
