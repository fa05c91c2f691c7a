//! Follows a journal while it grows, on a thread of its own.
//!
//! Only new bytes are read. They go to the window in batches over a channel that holds few, so a
//! journal of any length is read no faster than it is taken, and takes no memory.

use std::fs::{File, Metadata};
use std::io::{self, ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};
use trainyard_plan::journal::{Record, State, Stream, Unreadable};

use super::Wake;
use super::files::{JOURNAL, RunFiles, Writer};

/// As much is read at once, in bytes.
const PIECE_BYTES: usize = 256 << 10;
/// So many batches may wait to be taken.
const WAITING_BATCHES: usize = 4;
/// A journal that grows is looked at this often; one that does not, more and more rarely.
const LOOK_AGAIN_FAST: Duration = Duration::from_millis(50);
/// The rarest.
const LOOK_AGAIN_SLOW: Duration = Duration::from_secs(1);

/// A thread that reads the journal of a run directory. Dropping it ends the thread.
#[derive(Debug)]
pub struct Follower {
    batches: Receiver<Batch>,
    /// Closed when this is dropped.
    _alive: Sender<()>,
}

/// News of a journal.
#[derive(Clone, Debug)]
pub struct Batch {
    /// Why everything before is void, if it is: what follows is read from the beginning.
    pub restart: Option<String>,
    /// The records that came.
    pub records: Vec<Record>,
    /// Bytes read so far.
    pub read_bytes: u64,
    /// Bytes there are.
    pub file_bytes: u64,
    /// The lines that were left out so far.
    pub unreadable: Unreadable,
    /// How it stands with the file.
    pub source: Source,
    /// Who writes there, where that was asked for.
    pub writer: Option<Writer>,
    /// The run's settings, when they may have changed.
    pub files: Option<Box<RunFiles>>,
}

/// How it stands with a journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// It is not there yet.
    Awaited,
    /// It is being read.
    Open,
    /// It was there and is no more.
    Gone,
    /// It cannot be read on, and why.
    Refused(String),
}

impl Follower {
    /// Follows the journal of a run directory. `wake` is called after every batch. With
    /// `ask_for_writer` it also looks whether somebody holds the directory's lock; not to be asked
    /// for while a training is being started there.
    ///
    /// # Errors
    /// If the system gives no thread.
    pub fn start(directory: &Path, ask_for_writer: bool, wake: Wake) -> io::Result<Self> {
        let (send, batches) = bounded(WAITING_BATCHES);
        let (alive, dropped) = bounded(0);
        let directory = directory.to_owned();
        let writer = ask_for_writer.then_some(Writer::Unknown);
        let reader = Reader {
            path: directory.join(JOURNAL),
            directory,
            file: None,
            read_bytes: 0,
            stream: Stream::default(),
            source: Source::Awaited,
            restart: None,
            writer,
        };
        let run = move || reader.follow(&send, &dropped, &wake);
        thread::Builder::new().name("journal".to_owned()).spawn(run)?;
        Ok(Self { batches, _alive: alive })
    }

    /// The next batch, if there is one.
    pub fn poll(&self) -> Option<Batch> {
        self.batches.try_recv().ok()
    }

    /// Whether a batch waits to be taken.
    #[must_use]
    pub fn has_more(&self) -> bool {
        !self.batches.is_empty()
    }
}

struct Reader {
    directory: PathBuf,
    path: PathBuf,
    /// The file being read.
    file: Option<File>,
    read_bytes: u64,
    stream: Stream,
    source: Source,
    restart: Option<String>,
    writer: Option<Writer>,
}

impl Reader {
    fn follow(mut self, send: &Sender<Batch>, dropped: &Receiver<()>, wake: &Wake) {
        let mut pause = LOOK_AGAIN_FAST;
        let mut piece = vec![0; PIECE_BYTES];
        loop {
            let (source, writer) = (self.source.clone(), self.writer);
            let (records, length, file_bytes) = self.look(&mut piece);
            self.ask_for_writer(length > 0);
            let news = length > 0 || self.restart.is_some();
            if news || source != self.source || writer != self.writer {
                let changes = |record: &Record| {
                    let running = State::Running;
                    matches!(record, Record::Header(_))
                        || matches!(record, Record::State { state, .. } if *state == running)
                };
                let files = records.iter().any(changes);
                let batch = Batch {
                    restart: self.restart.take(),
                    files: files.then(|| Box::new(RunFiles::read(&self.directory))),
                    records,
                    read_bytes: self.read_bytes,
                    file_bytes: file_bytes.max(self.read_bytes),
                    unreadable: self.stream.unreadable().clone(),
                    source: self.source.clone(),
                    writer: self.writer,
                };
                if send.send(batch).is_err() {
                    return;
                }
                wake();
            }
            // There may be more.
            let wait = if length == piece.len() {
                Duration::ZERO
            } else {
                pause = if news { LOOK_AGAIN_FAST } else { (pause * 3 / 2).min(LOOK_AGAIN_SLOW) };
                pause
            };
            if dropped.recv_timeout(wait) != Err(RecvTimeoutError::Timeout) {
                return;
            }
        }
    }

    /// Reads what is new: the records, how many bytes that were, and how many there are.
    fn look(&mut self, piece: &mut [u8]) -> (Vec<Record>, usize, u64) {
        let none = |length| (Vec::new(), 0, length);
        let about = match std::fs::metadata(&self.path) {
            Ok(about) => about,
            Err(error) if error.kind() == ErrorKind::NotFound => {
                if self.source != Source::Awaited {
                    self.source = Source::Gone;
                }
                return none(self.read_bytes);
            }
            Err(error) => return self.refuse(&error),
        };
        if let Err(error) = self.open(&about) {
            return self.refuse(&error);
        }
        // What was refused stays refused until another file is there.
        if matches!(self.source, Source::Refused(_)) {
            return none(about.len());
        }
        self.source = Source::Open;
        let length = match self.file.as_mut().map(|file| file.read(piece)) {
            Some(Ok(length)) => length,
            None => 0,
            Some(Err(error)) if error.kind() == ErrorKind::Interrupted => 0,
            Some(Err(error)) => return self.refuse(&error),
        };
        self.read_bytes += length as u64;
        let mut records = Vec::new();
        let bytes = piece.get(..length).unwrap_or_default();
        if let Err(error) = self.stream.push(bytes, |record| records.push(record)) {
            self.source = Source::Refused(error.to_string());
        }
        (records, length, about.len())
    }

    /// Opens the journal if it is not open, or is no longer the one that is open.
    fn open(&mut self, about: &Metadata) -> io::Result<()> {
        let opened = self.file.as_ref().map(File::metadata).transpose()?;
        self.restart = match &opened {
            None if self.read_bytes > 0 => {
                Some("the journal could not be read for a while; it is read again".to_owned())
            }
            Some(opened) if !is_same(opened, about) => {
                Some("the journal was replaced by another; it is read from its start".to_owned())
            }
            Some(_) if about.len() < self.read_bytes => Some(format!(
                "the journal was shortened from {} to {} bytes; it is read again from its start",
                self.read_bytes,
                about.len()
            )),
            None | Some(_) => None,
        };
        if opened.is_some() && self.restart.is_none() {
            return Ok(());
        }
        self.file = Some(File::open(&self.path)?);
        self.read_bytes = 0;
        self.stream = Stream::default();
        self.source = Source::Open;
        Ok(())
    }

    fn refuse(&mut self, error: &io::Error) -> (Vec<Record>, usize, u64) {
        self.source = Source::Refused(format!("it cannot be read: {error}"));
        // Whatever it was may pass: the next look opens it anew.
        self.file = None;
        (Vec::new(), 0, self.read_bytes)
    }

    /// Looks who writes, where that was asked for: at first, when there was news of nobody, and
    /// as long as somebody does, to see them go.
    fn ask_for_writer(&mut self, news: bool) {
        let Some(known) = self.writer else { return };
        if news || known != Writer::Nobody {
            self.writer = Some(Writer::of(&self.directory));
        }
    }
}

/// Whether two descriptions are of one file.
#[cfg(unix)]
fn is_same(one: &Metadata, other: &Metadata) -> bool {
    use std::os::unix::fs::MetadataExt;
    (one.dev(), one.ino()) == (other.dev(), other.ino())
}

/// Whether two descriptions are of one file, as far as the standard library can tell.
#[cfg(not(unix))]
fn is_same(one: &Metadata, other: &Metadata) -> bool {
    one.created().ok() == other.created().ok()
}
