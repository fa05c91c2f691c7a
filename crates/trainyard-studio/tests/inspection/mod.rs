//! Drives the real window: a client of eframe's `inspection` port, with an X server of its own.
//!
//! ```no_run
//! # mod inspection;
//! let Some(mut window) = inspection::Window::open(&["plan.json"]) else { return };
//! window.click("Open…"); // waits until there is such a thing
//! window.drag(from, to); // points; `window.find("block 3")` says where something is
//! window.key(Modifiers::CTRL, Key::Z);
//! window.settle(); // until nothing moves any more
//! window.screenshot("after.png"); // under target/tmp/
//! ```
//!
//! Things are found by their accessible name (a label's text, a button's caption); where several
//! have one name, the topmost of them. Every request is served by a frame of the window,
//! so a request that is answered has had its effect, and asking again waits for a frame: there are
//! no sleeps. What does not come within [`PATIENCE`] fails the test with the names that were there.
//!
//! `trainyard-studio` must be built with the feature `inspection`; where `Xvfb` is not installed,
//! [`Window::open`] says so and gives `None`, or fails where nothing may be missing ([`require`]). The window has a home of its own, so that it neither
//! reads nor writes the settings of whoever runs the test.

#[path = "../../../../tests/src/require.rs"]
pub mod require;

use std::cmp::Ordering;
use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use eframe::egui::accesskit::Node;
use eframe::egui::{Event, Key, Modifiers, PointerButton, Pos2, Rect, pos2};
use egui_inspection::protocol::read_handshake;
use egui_inspection::{PROTOCOL_VERSION, Request, Response, read_message, write_message};

/// How long anything may take on a slow machine.
pub const PATIENCE: Duration = Duration::from_mins(1);

/// Frames in which a drag crosses its way.
const DRAG_STEPS: u8 = 8;

/// A program that ends with the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The studio in its window. Fields are dropped in this order: the window before its display.
pub struct Window {
    port: TcpStream,
    studio: Running,
    _display: Running,
    _home: tempfile::TempDir,
}

impl Window {
    /// Starts an X server and the studio with these arguments; `None` where there is no Xvfb.
    pub fn open(arguments: &[&str]) -> Option<Self> {
        let (display, name) = display()?;
        let home = tempfile::tempdir().expect("a folder for the window's home");
        // Free a moment ago; eframe takes an address, not a socket.
        let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|port| port.local_addr());
        let address = free.expect("a free port");
        let mut studio = Command::new(env!("CARGO_BIN_EXE_trainyard-studio"));
        studio
            .args(arguments)
            .env("DISPLAY", name)
            .env_remove("WAYLAND_DISPLAY")
            .env_remove("WAYLAND_SOCKET")
            .env("HOME", home.path())
            .env("XDG_DATA_HOME", home.path())
            .env("XDG_CONFIG_HOME", home.path())
            .env("XDG_RUNTIME_DIR", home.path())
            .env("EGUI_INSPECTION", address.to_string());
        let mut studio = Running(studio.spawn().expect("the studio starts"));
        let port = connect(address, &mut studio);
        Some(Self { port, studio, _display: display, _home: home })
    }

    /// Whether the studio still runs.
    pub fn is_open(&mut self) -> bool {
        matches!(self.studio.0.try_wait(), Ok(None))
    }

    /// Sends a request and gives its answer.
    pub fn request(&mut self, request: &Request) -> Response {
        let answer = write_message(&self.port, request).and_then(|()| read_message(&self.port));
        match answer {
            Ok(Response::Error { message }) => panic!("{request:?} failed: {message}"),
            Ok(response) => response,
            Err(error) => panic!("{request:?}: the studio does not answer: {error}"),
        }
    }

    /// Everything in the window, as a screen reader would be told, from top to bottom and left to
    /// right: the tree comes in no order.
    pub fn nodes(&mut self) -> Vec<Node> {
        match self.request(&Request::GetTree) {
            Response::Tree { accesskit: Some(tree), .. } => {
                let mut nodes: Vec<Node> = tree.nodes.into_iter().map(|(_, node)| node).collect();
                let at = |node: &Node| node.bounds().map_or((0.0, 0.0), |it| (it.y0, it.x0));
                nodes.sort_by(|a, b| at(a).partial_cmp(&at(b)).unwrap_or(Ordering::Equal));
                nodes
            }
            other => panic!("no tree: {other:?}"),
        }
    }

    /// Waits until something of that name is there.
    pub fn find(&mut self, name: &str) -> Node {
        self.wait_for(name, |node| name_of(node) == Some(name))
    }

    /// Waits until something is there; `what` is for the message of a test that fails.
    pub fn wait_for(&mut self, what: &str, is_it: impl Fn(&Node) -> bool) -> Node {
        let until = Instant::now() + PATIENCE;
        loop {
            let nodes = self.nodes();
            if let Some(node) = nodes.iter().find(|node| is_it(node)) {
                return node.clone();
            }
            if Instant::now() > until || !self.is_open() {
                // For whoever reads the report of a machine that nobody can look at.
                let names: Vec<_> = nodes.iter().filter_map(name_of).collect();
                panic!("no '{what}' within {PATIENCE:?}; there is {names:#?}");
            }
        }
    }

    /// Clicks the middle of what has that name.
    pub fn click(&mut self, name: &str) {
        let node = self.find(name);
        self.click_on(&node);
    }

    /// Clicks the middle of something that was found. The button is pressed and let go in one frame:
    /// egui takes a press of more than 0.8 s for no click, and a frame of a busy machine can take as
    /// long.
    pub fn click_on(&mut self, node: &Node) {
        let at = place(node).center();
        self.events(vec![Event::PointerMoved(at)]);
        self.events(vec![button(at, true), button(at, false)]);
    }

    /// Presses at one place, moves to another frame by frame, and lets go there.
    pub fn drag(&mut self, from: Pos2, to: Pos2) {
        self.events(vec![Event::PointerMoved(from)]);
        self.events(vec![button(from, true)]);
        for step in 1..=DRAG_STEPS {
            let part = f32::from(step) / f32::from(DRAG_STEPS);
            self.events(vec![Event::PointerMoved(from + (to - from) * part)]);
        }
        self.events(vec![button(to, false)]);
    }

    /// Presses a key and lets it go.
    pub fn key(&mut self, modifiers: Modifiers, key: Key) {
        for pressed in [true, false] {
            let physical_key = None;
            let event = Event::Key { key, physical_key, pressed, repeat: false, modifiers };
            self.events(vec![event]);
        }
    }

    /// Types text into what has the focus.
    pub fn type_text(&mut self, text: &str) {
        self.events(vec![Event::Text(text.to_owned())]);
    }

    /// Hands the window events, all in one frame, and waits until that is done.
    pub fn events(&mut self, events: Vec<Event>) {
        self.request(&Request::ApplyEvents { events });
    }

    /// Waits until no frame asks for another.
    pub fn settle(&mut self) {
        match self.request(&Request::Settle { max_steps: 1000 }) {
            Response::Settled { settled: true, .. } => {}
            other => panic!("the window does not come to rest: {other:?}"),
        }
    }

    /// Saves what the window shows as PNG under `target/tmp/`; gives where, and its size in pixels.
    pub fn screenshot(&mut self, name: &str) -> (PathBuf, [u32; 2]) {
        match self.request(&Request::GetScreenshot { pixels_per_point: None }) {
            Response::Screenshot(png) => {
                let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
                std::fs::write(&path, &png.bytes).expect("target/tmp can be written to");
                (path, png.size)
            }
            other => panic!("no screenshot: {other:?}"),
        }
    }
}

/// The accessible name: a caption, what an empty field asks for, or the text of a label.
pub fn name_of(node: &Node) -> Option<&str> {
    node.label().or(node.placeholder()).or(node.value())
}

/// Where something is, in points.
pub fn place(node: &Node) -> Rect {
    let bounds = node.bounds().expect("what can be seen has a place");
    let point = |x: f64, y: f64| pos2(x as f32, y as f32);
    Rect::from_min_max(point(bounds.x0, bounds.y0), point(bounds.x1, bounds.y1))
}

fn button(pos: Pos2, pressed: bool) -> Event {
    let (button, modifiers) = (PointerButton::Primary, Modifiers::NONE);
    Event::PointerButton { pos, button, pressed, modifiers }
}

/// An X server on a display that it chooses itself, and the display's name.
fn display() -> Option<(Running, String)> {
    let mut server = Command::new("Xvfb");
    server.args(["-displayfd", "1", "-screen", "0", "1600x1000x24", "-nolisten", "tcp"]);
    let Ok(server) = server.stdout(Stdio::piped()).stderr(Stdio::null()).spawn() else {
        require::skip("there is no Xvfb; `apt-get install xvfb`");
        return None;
    };
    let mut server = Running(server);
    let mut number = String::new();
    // It writes the number when it is ready, and closes the pipe when it cannot start.
    let output = server.0.stdout.take().expect("a piped output");
    BufReader::new(output).read_line(&mut number).expect("Xvfb says its display");
    assert!(!number.trim().is_empty(), "Xvfb did not start");
    Some((server, format!(":{}", number.trim())))
}

/// Connects as soon as the studio listens.
fn connect(address: SocketAddr, studio: &mut Running) -> TcpStream {
    let until = Instant::now() + PATIENCE;
    loop {
        if let Ok(port) = TcpStream::connect(address) {
            port.set_read_timeout(Some(PATIENCE)).expect("a timeout can be set");
            let version = read_handshake(&port).expect("the studio greets");
            assert_eq!(version, PROTOCOL_VERSION, "the inspection protocol has changed");
            return port;
        }
        if let Ok(Some(status)) = studio.0.try_wait() {
            panic!("the studio ended before its window was there: {status}");
        }
        assert!(Instant::now() < until, "the studio does not listen within {PATIENCE:?}");
        // Nothing tells when a port opens; two cores are few to spin on.
        std::thread::park_timeout(Duration::from_millis(20));
    }
}
