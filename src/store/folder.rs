//! A store in a folder, which may be on a disk that several machines mount.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Read, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;

use super::Unavailable;

/// A folder, made when something is first put into it.
#[derive(Debug, Clone)]
pub(super) struct Folder(Arc<PathBuf>);

impl Folder {
    pub(super) fn new(path: PathBuf) -> Self {
        Self(Arc::new(path))
    }

    /// Write beside the place, then move there: whoever reads sees the old file or the new one.
    pub(super) async fn put(&self, key: &str, pieces: Vec<Bytes>) -> Result<(), Unavailable> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let (folder, path) = (Arc::clone(&self.0), self.0.join(key));
        let beside = self.0.join(format!(".{key}.{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed)));
        blocking(move || {
            fs::create_dir_all(&*folder)?;
            let write = || {
                let mut file = File::create_new(&beside)?;
                pieces.iter().try_for_each(|piece| file.write_all(piece))?;
                file.sync_all()?;
                fs::rename(&beside, &path)
            };
            write().inspect_err(|_| drop(fs::remove_file(&beside)))
        })
        .await
    }

    pub(super) async fn get(&self, key: &str, limit: u64) -> Result<Option<Bytes>, Unavailable> {
        let path = self.0.join(key);
        let read = move || {
            let file = File::open(&path)?;
            let size = file.metadata()?.len();
            if size > limit {
                return Ok(None);
            }
            let mut bytes = Vec::with_capacity(size as usize);
            // What grows meanwhile is not read further than it may.
            file.take(limit).read_to_end(&mut bytes)?;
            Ok(Some(bytes.into()))
        };
        blocking(move || or(read(), None)).await
    }

    pub(super) async fn has(&self, key: &str) -> Result<bool, Unavailable> {
        let path = self.0.join(key);
        blocking(move || or(fs::metadata(&path).map(|_| true), false)).await
    }

    pub(super) async fn delete(&self, key: &str) -> Result<(), Unavailable> {
        let path = self.0.join(key);
        blocking(move || or(fs::remove_file(&path), ())).await
    }
}

/// What was found, or `otherwise` where there is no such file.
fn or<T>(found: io::Result<T>, otherwise: T) -> io::Result<T> {
    match found {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(otherwise),
        found => found,
    }
}

/// Away from the threads that serve.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> Result<T, Unavailable> {
    let done = tokio::task::spawn_blocking(work).await.map_err(io::Error::other);
    done.flatten().map_err(|error| Unavailable(error.to_string()))
}
