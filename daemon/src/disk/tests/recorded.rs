//! A disk that writes down every operation, so that the power can be cut between any two of them: what was synced is there
//! then, of the rest any part, each sector by itself, as a real disk may have it. It can fail any one operation.

use super::super::files::{Files, WritableFile, create};
use super::super::log::report::Completed;
use std::collections::BTreeMap;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

/// What a disk writes whole or not at all.
const SECTOR: usize = 512;

/// Random numbers that are the same each time (SplitMix64).
pub(super) struct Random(pub(super) u64);

impl Random {
    /// Below `bound`.
    pub(super) fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % bound
    }

    pub(super) fn percent(&mut self, chance: u64) -> bool {
        self.below(100) < chance
    }
}

/// One operation on the disk. Files are known by number, whatever their name.
#[derive(Debug, Clone)]
pub(super) enum Operation {
    Create {
        path: PathBuf,
        file: usize,
    },
    Write {
        file: usize,
        offset: u64,
        bytes: Vec<u8>,
    },
    Sync {
        file: usize,
    },
    Rename {
        from: PathBuf,
        to: PathBuf,
    },
    Remove {
        path: PathBuf,
    },
    SyncDirectory {
        path: PathBuf,
    },
    /// It was tried and an error came back.
    Failed(Box<Operation>),
}

#[derive(Debug, Default)]
struct Record {
    operations: Vec<Operation>,
    /// What was told, with the number of operations before it.
    told: Vec<(usize, Completed)>,
    names: BTreeMap<PathBuf, usize>,
    files: usize,
    fail: Option<(usize, io::ErrorKind)>,
}

impl Record {
    fn note(&mut self, operation: Operation) -> io::Result<()> {
        if let Some((at, kind)) = self.fail
            && at == self.operations.len()
        {
            self.operations.push(Operation::Failed(Box::new(operation)));
            return Err(kind.into());
        }
        self.operations.push(operation);
        Ok(())
    }
}

/// The disk that a writer writes to.
#[derive(Debug, Clone, Default)]
pub(super) struct RecordedDisk(Arc<Mutex<Record>>);

#[derive(Debug)]
struct RecordedFile {
    disk: RecordedDisk,
    file: usize,
}

impl RecordedDisk {
    /// A disk that holds `image`.
    pub(super) fn holding(image: &Image) -> Self {
        let record =
            Record { names: image.seen.clone(), files: image.files.len(), ..Record::default() };
        Self(Arc::new(Mutex::new(record)))
    }

    /// The operation with this number (from 0) fails, once.
    pub(super) fn fail(&self, at: usize, kind: io::ErrorKind) {
        self.record().fail = Some((at, kind));
    }

    /// The writer tells.
    pub(super) fn tell(&self, completed: Completed) {
        let mut record = self.record();
        let at = record.operations.len();
        record.told.push((at, completed));
    }

    pub(super) fn operations(&self) -> Vec<Operation> {
        self.record().operations.clone()
    }

    pub(super) fn done(&self) -> usize {
        self.record().operations.len()
    }

    pub(super) fn told(&self) -> Vec<(usize, Completed)> {
        self.record().told.clone()
    }

    fn record(&self) -> std::sync::MutexGuard<'_, Record> {
        self.0.lock().expect("no test panics while it holds the disk")
    }
}

impl Files for RecordedDisk {
    fn create(&self, path: &Path) -> io::Result<Box<dyn WritableFile>> {
        let mut record = self.record();
        let file = record.names.get(path).copied().unwrap_or(record.files);
        record.note(Operation::Create { path: path.to_owned(), file })?;
        record.files = record.files.max(file + 1);
        record.names.insert(path.to_owned(), file);
        Ok(Box::new(RecordedFile { disk: self.clone(), file }))
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn WritableFile>> {
        let file = self.record().names[path];
        Ok(Box::new(RecordedFile { disk: self.clone(), file }))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut record = self.record();
        record.note(Operation::Rename { from: from.to_owned(), to: to.to_owned() })?;
        let file = record.names.remove(from).expect("only files that are there get other names");
        record.names.insert(to.to_owned(), file);
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut record = self.record();
        record.note(Operation::Remove { path: path.to_owned() })?;
        record.names.remove(path).map(|_| ()).ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn sync_directory(&self, directory: &Path) -> io::Result<()> {
        self.record().note(Operation::SyncDirectory { path: directory.to_owned() })
    }

    fn room(&self, _: &Path) -> io::Result<u64> {
        Ok(u64::MAX)
    }

    fn wait_for_room(&self) {}
}

impl WritableFile for RecordedFile {
    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let (file, bytes) = (self.file, bytes.to_vec());
        self.disk.record().note(Operation::Write { file, offset, bytes })
    }

    fn sync_data(&self) -> io::Result<()> {
        self.disk.record().note(Operation::Sync { file: self.file })
    }

    fn sync_all(&self) -> io::Result<()> {
        self.sync_data()
    }
}

#[derive(Debug, Clone, Default)]
struct Inode {
    durable: Vec<u8>,
    /// As the running system reads it.
    seen: Vec<u8>,
    /// Not synced; no bytes: it was emptied.
    pending: Vec<(u64, Vec<u8>)>,
}

#[derive(Debug, Clone)]
enum Renaming {
    Put { path: PathBuf, file: usize },
    Take { path: PathBuf },
    Move { from: PathBuf, to: PathBuf, file: usize },
}

/// What a disk holds: the durable part, and what was asked for since.
#[derive(Debug, Clone, Default)]
pub(super) struct Image {
    files: Vec<Inode>,
    /// Durable names.
    names: BTreeMap<PathBuf, usize>,
    /// The names as the running system sees them.
    seen: BTreeMap<PathBuf, usize>,
    /// Changes of names that no sync of their directory has covered.
    renamings: Vec<Renaming>,
}

impl Image {
    /// Everything below `root` except locks, as durable.
    pub(super) fn of(root: &Path) -> Self {
        let mut image = Self::default();
        image.read(root);
        image.seen = image.names.clone();
        image
    }

    fn read(&mut self, directory: &Path) {
        for entry in std::fs::read_dir(directory).expect("listed") {
            let path = entry.expect("listed").path();
            if path.is_dir() {
                self.read(&path);
            } else if path.file_name().is_some_and(|name| name != "LOCK") {
                let durable = std::fs::read(&path).expect("read");
                self.names.insert(path, self.files.len());
                self.files.push(Inode::whole(&durable));
            }
        }
    }

    /// Makes `root` hold exactly what is durable here. Directories stay.
    pub(super) fn put_into(&self, root: &Path) {
        put(root, self.names.iter().map(|(path, file)| (path, &self.files[*file].durable)));
    }

    /// Makes `root` hold what the next process reads when this one is killed and the system runs on.
    pub(super) fn put_seen_into(&self, root: &Path) {
        put(root, self.seen.iter().map(|(path, file)| (path, &self.files[*file].seen)));
    }

    /// One more file, durable.
    pub(super) fn add(&mut self, path: &Path, content: &[u8]) {
        self.names.insert(path.to_owned(), self.files.len());
        self.seen.insert(path.to_owned(), self.files.len());
        self.files.push(Inode::whole(content));
    }

    pub(super) fn apply(&mut self, operation: &Operation, random: &mut Random) {
        match operation {
            Operation::Create { path, file } => {
                if *file == self.files.len() {
                    self.files.push(Inode::default());
                    self.renamings.push(Renaming::Put { path: path.clone(), file: *file });
                }
                self.files[*file].write(0, &[]);
                self.seen.insert(path.clone(), *file);
            }
            Operation::Write { bytes, .. } if bytes.is_empty() => {}
            Operation::Write { file, offset, bytes } => {
                self.files[*file].write(*offset, bytes);
            }
            Operation::Sync { file } => self.files[*file].sync(|_| true),
            Operation::Rename { from, to } => {
                let file = self.seen.remove(from).expect("it was there");
                self.seen.insert(to.clone(), file);
                let (from, to) = (from.clone(), to.clone());
                self.renamings.push(Renaming::Move { from, to, file });
            }
            Operation::Remove { path } => {
                self.seen.remove(path);
                self.renamings.push(Renaming::Take { path: path.clone() });
            }
            Operation::SyncDirectory { path } => {
                let all = std::mem::take(&mut self.renamings);
                for renaming in all {
                    if renaming.place().parent() == Some(path) {
                        self.rename(renaming);
                    } else {
                        self.renamings.push(renaming);
                    }
                }
            }
            Operation::Failed(tried) => match &**tried {
                Operation::Write { file, offset, bytes } => {
                    let kept =
                        usize::try_from(random.below(bytes.len() as u64 + 1)).expect("small");
                    if kept > 0 {
                        self.files[*file].write(*offset, &bytes[..kept]);
                    }
                }
                // The system forgets that these pages are dirty: no later sync makes up for it.
                Operation::Sync { file } => self.files[*file].sync(|_| random.percent(50)),
                _ => {}
            },
        }
    }

    /// The power is cut: of what was not synced, any part is there.
    pub(super) fn cut(&self, random: &mut Random) -> Self {
        let chance = [0, 50, 90, 100][usize::try_from(random.below(4)).expect("small")];
        let mut left = self.clone();
        for file in &mut left.files {
            file.sync(|_| random.percent(chance));
        }
        for renaming in std::mem::take(&mut left.renamings) {
            if random.percent(chance) {
                left.rename(renaming);
            }
        }
        left
    }

    fn rename(&mut self, renaming: Renaming) {
        match renaming {
            Renaming::Put { path, file } => drop(self.names.insert(path, file)),
            Renaming::Take { path } => drop(self.names.remove(&path)),
            Renaming::Move { from, to, file } => {
                if self.names.get(&from) == Some(&file) {
                    self.names.remove(&from);
                }
                self.names.insert(to, file);
            }
        }
    }
}

impl Renaming {
    fn place(&self) -> &Path {
        match self {
            Self::Put { path, .. } | Self::Take { path } | Self::Move { to: path, .. } => path,
        }
    }
}

impl Inode {
    fn whole(content: &[u8]) -> Self {
        Self { durable: content.to_vec(), seen: content.to_vec(), pending: Vec::new() }
    }

    /// No bytes: it is emptied.
    fn write(&mut self, offset: u64, bytes: &[u8]) {
        self.pending.push((offset, bytes.to_vec()));
        let at = usize::try_from(offset).expect("small");
        let length = if bytes.is_empty() { 0 } else { self.seen.len().max(at + bytes.len()) };
        self.seen.resize(length, 0);
        self.seen[at..at + bytes.len()].copy_from_slice(bytes);
    }

    /// Every sector under way of which `kept` says so becomes durable, the rest is gone.
    fn sync(&mut self, mut kept: impl FnMut(u64) -> bool) {
        for (offset, bytes) in std::mem::take(&mut self.pending) {
            if bytes.is_empty() {
                if kept(offset) {
                    self.durable.clear();
                }
                continue;
            }
            let mut at = usize::try_from(offset).expect("small");
            let mut rest = &bytes[..];
            while !rest.is_empty() {
                let (sector, behind) = rest.split_at((SECTOR - at % SECTOR).min(rest.len()));
                if kept(at as u64) {
                    let end = at + sector.len();
                    if self.durable.len() < end {
                        self.durable.resize(end, 0);
                    }
                    self.durable[at..end].copy_from_slice(sector);
                }
                (at, rest) = (at + sector.len(), behind);
            }
        }
    }
}

/// Makes `root` hold exactly these files.
fn put<'a>(root: &Path, files: impl Iterator<Item = (&'a PathBuf, &'a Vec<u8>)>) {
    clear(root);
    for (path, content) in files {
        create(path).expect("created").write_all(content).expect("written");
    }
}

fn clear(directory: &Path) {
    for entry in std::fs::read_dir(directory).expect("listed") {
        let path = entry.expect("listed").path();
        if path.is_dir() {
            clear(&path);
        } else {
            std::fs::remove_file(path).expect("removed");
        }
    }
}
