//! Follows a journal while it grows, on a thread of its own.
//!
//! What is there already is folded here, however slowly the window draws, and handed over as a whole;
//! meanwhile the window hears how far it is. What comes later goes to it in batches over a channel
//! that holds few. So a journal of any length takes bounded memory.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};
use trainyard_plan::journal::{Record, State, Stream, Unreadable};

use super::files::{JOURNAL, RunFiles, Writer, checkpoints_in};
use super::journal_files::{JournalFiles, Piece, has_journal};
use super::state::RunState;
use super::wake::Wake;

/// As much is read at once, in bytes.
const PIECE_BYTES: usize = 256 << 10;
/// Capacity of the channel, in batches.
const WAITING_BATCHES: usize = 4;
/// A journal that grows is looked at this often; one that does not, more and more rarely.
const LOOK_AGAIN_FAST: Duration = Duration::from_millis(50);
/// The rarest.
const LOOK_AGAIN_SLOW: Duration = Duration::from_secs(1);

/// A thread that reads the journal of a run directory. Dropping it ends the thread.
#[derive(Debug)]
pub struct Follower {
    batches: Receiver<Batch>,
    /// Says that the writer has ended. Closed when this is dropped.
    writer_ended: Sender<()>,
}

/// News of a journal.
#[derive(Clone, Debug)]
pub struct Batch {
    /// Why everything before is void, if it is: what follows is read from the beginning.
    pub restart: Option<String>,
    /// What everything that was there came to, once all of that was read.
    pub state: Option<Box<RunState>>,
    /// The records that came since.
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
    /// The names of the checkpoints that are on disk, when those may have changed.
    pub checkpoints: Option<BTreeSet<OsString>>,
    /// Whether everything is read that a writer left whose end was told.
    pub complete: bool,
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
    /// `ask_for_writer` it also looks whether the directory's lock is held; not to be asked
    /// for while a training is being started there.
    ///
    /// # Errors
    /// If the system gives no thread.
    pub fn start(directory: &Path, ask_for_writer: bool, wake: Wake) -> io::Result<Self> {
        let (send, batches) = bounded(WAITING_BATCHES);
        // Told once.
        let (writer_ended, ended) = bounded(1);
        let directory = directory.to_owned();
        let writer = ask_for_writer.then_some(Writer::Unknown);
        let reader = Reader {
            path: directory.join(JOURNAL),
            directory,
            files: None,
            read_bytes: 0,
            stream: Stream::default(),
            catching_up: None,
            files_changed: false,
            saved: false,
            source: Source::Awaited,
            restart: None,
            writer,
            writer_is_gone: false,
            end: WriterEnd::Unknown,
        };
        let run = move || reader.follow(&send, &ended, &wake);
        thread::Builder::new().name("journal".to_owned()).spawn(run)?;
        Ok(Self { batches, writer_ended })
    }

    /// Says that the writer has ended: what it left is read at once, and a batch says when that is
    /// done.
    pub fn tell_end_of_writer(&self) {
        // Full where it was told before.
        let _told = self.writer_ended.try_send(()).is_ok();
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
    /// The files being read.
    files: Option<JournalFiles>,
    /// Bytes read, also while they cannot be read on.
    read_bytes: u64,
    stream: Stream,
    /// What came of the journal so far, until its end is reached for the first time.
    catching_up: Option<Box<RunState>>,
    /// Whether the run's settings may have changed since they were sent.
    files_changed: bool,
    /// Whether a checkpoint was saved since those on disk were sent.
    saved: bool,
    source: Source,
    restart: Option<String>,
    writer: Option<Writer>,
    /// Whether a writer that was there was found gone, and what it left may not be read yet.
    writer_is_gone: bool,
    end: WriterEnd,
}

/// What is known of the end of a writer.
#[derive(Clone, Copy, PartialEq, Eq)]
enum WriterEnd {
    /// Nothing was told.
    Unknown,
    /// It was told, and there may be more to read of what was left.
    Told,
    /// All is read that was left.
    Read,
}

impl Reader {
    fn follow(mut self, send: &Sender<Batch>, ended: &Receiver<()>, wake: &Wake) {
        let mut pause = LOOK_AGAIN_FAST;
        let mut piece = vec![0; PIECE_BYTES];
        loop {
            let (source, writer) = (self.source.clone(), self.writer);
            let (records, length, file_bytes) = self.look(&mut piece);
            self.ask_for_writer(length > 0);
            let all_read = self.end == WriterEnd::Told && length == 0;
            if all_read {
                self.end = WriterEnd::Read;
            }
            let news = length > 0 || self.restart.is_some() || all_read;
            if news || source != self.source || writer != self.writer {
                let behind = self.is_behind(file_bytes);
                // Progress may be dropped while the channel is full.
                if !behind || all_read || !send.is_full() {
                    if send.send(self.batch(records, file_bytes, behind)).is_err() {
                        return;
                    }
                    wake();
                }
            }
            // There may be more.
            let wait = if length == piece.len() || self.end == WriterEnd::Told {
                Duration::ZERO
            } else {
                pause = if news { LOOK_AGAIN_FAST } else { (pause * 3 / 2).min(LOOK_AGAIN_SLOW) };
                pause
            };
            match ended.recv_timeout(wait) {
                Ok(()) => self.end = WriterEnd::Told,
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    /// Whether there is more to fold before anything can be shown.
    fn is_behind(&self, file_bytes: u64) -> bool {
        self.catching_up.is_some() && self.source == Source::Open && self.read_bytes < file_bytes
    }

    /// What is new, for the window.
    fn batch(&mut self, records: Vec<Record>, file_bytes: u64, behind: bool) -> Batch {
        let files = !behind && std::mem::take(&mut self.files_changed);
        let saved = !behind && std::mem::take(&mut self.saved);
        Batch {
            restart: self.restart.take(),
            state: if behind { None } else { self.catching_up.take() },
            records,
            read_bytes: self.read_bytes,
            file_bytes: file_bytes.max(self.read_bytes),
            unreadable: self.stream.unreadable().clone(),
            source: self.source.clone(),
            writer: self.writer,
            files: files.then(|| Box::new(RunFiles::read(&self.directory))),
            checkpoints: (files || saved).then(|| checkpoints_in(&self.directory)),
            complete: self.end == WriterEnd::Read,
        }
    }

    /// Reads what is new: the records that are not folded here, how many bytes that were, and how
    /// many there are.
    fn look(&mut self, piece: &mut [u8]) -> (Vec<Record>, usize, u64) {
        let none = |length| (Vec::new(), 0, length);
        let open_bytes = match std::fs::metadata(&self.path) {
            Ok(about) => about.len(),
            // Between two parts there is none.
            Err(error) if error.kind() == ErrorKind::NotFound && has_journal(&self.directory) => 0,
            Err(error) if error.kind() == ErrorKind::NotFound => {
                if self.source != Source::Awaited {
                    self.source = Source::Gone;
                }
                return none(self.read_bytes);
            }
            Err(error) => return self.refuse(&error),
        };
        if let Err(error) = self.open(open_bytes) {
            return self.refuse(&error);
        }
        // What was refused stays refused until another file is there.
        if matches!(self.source, Source::Refused(_)) {
            return none(open_bytes);
        }
        self.source = Source::Open;
        let Some(files) = &mut self.files else { return none(open_bytes) };
        let read = match files.read(piece) {
            Ok(read) => read,
            Err(error) if error.kind() == ErrorKind::Interrupted => Piece::Bytes(0),
            Err(error) => return self.refuse(&error),
        };
        let file_bytes = files.all_bytes(open_bytes);
        self.read_bytes = files.read_bytes();
        let mut records = Vec::new();
        let (catching_up, files_changed) = (&mut self.catching_up, &mut self.files_changed);
        let saved = &mut self.saved;
        let take = |record: Record| {
            *saved |= matches!(record, Record::Checkpoint { .. });
            *files_changed |= match &record {
                Record::Header(_) => true,
                Record::State { state, .. } => *state == State::Running,
                _ => false,
            };
            match catching_up {
                Some(state) => state.push(&record),
                None => records.push(record),
            }
        };
        // The end of a part is news too: the next is looked at without a pause.
        let (length, pushed) = match read {
            Piece::Bytes(length) => {
                let bytes = piece.get(..length).unwrap_or_default();
                (length, self.stream.push(bytes, take))
            }
            Piece::EndOfPart => (piece.len(), self.stream.end_of_file(take)),
        };
        if let Err(error) = pushed {
            self.source = Source::Refused(error.to_string());
        }
        (records, length, file_bytes)
    }

    /// Opens the journal if it is not open, or is no longer the one that is open.
    fn open(&mut self, open_bytes: u64) -> io::Result<()> {
        let restart = match &mut self.files {
            None if self.read_bytes > 0 => {
                Some("the journal could not be read for a while; it is read again".to_owned())
            }
            Some(files) if files.is_replaced()? => (!files.go_on()?).then(|| {
                "the journal was replaced by another; it is read from its start".to_owned()
            }),
            Some(files) if open_bytes > 0 && open_bytes < files.open_bytes() => Some(format!(
                "the journal was shortened from {} to {open_bytes} bytes; it is read again from its \
                 start",
                files.open_bytes(),
            )),
            None | Some(_) => None,
        };
        if self.files.is_some() && restart.is_none() {
            return Ok(());
        }
        // One that was not sent yet is still to be sent.
        self.restart = restart.or(self.restart.take());
        self.files = Some(JournalFiles::open(&self.directory)?);
        self.read_bytes = 0;
        self.stream = Stream::default();
        self.catching_up = Some(Box::default());
        self.source = Source::Open;
        Ok(())
    }

    fn refuse(&mut self, error: &io::Error) -> (Vec<Record>, usize, u64) {
        self.source = Source::Refused(format!("it cannot be read: {error}"));
        // Whatever it was may pass: the next look opens it anew.
        self.files = None;
        (Vec::new(), 0, self.read_bytes)
    }

    /// Looks who writes, where that was asked for: at first, when the writer is unknown, and
    /// as long as there is one, to see it go.
    fn ask_for_writer(&mut self, news: bool) {
        let Some(known) = self.writer else { return };
        if !news && known == Writer::Nobody {
            return;
        }
        let now = Writer::of(&self.directory);
        // What one wrote last before it went is read before that is said.
        let goes = now == Writer::Nobody && matches!(known, Writer::Running(_));
        let was_gone = std::mem::replace(&mut self.writer_is_gone, goes);
        if !goes || (was_gone && !news) {
            self.writer = Some(now);
        }
    }
}
