//! The store that replicas share: a folder, or (built with the feature) a bucket of S3, Google or Azure. Each network is one
//! object, named by its digest.
//!
//! An object is the body of the `PUT` that made it, parts set apart by a line of lengths. Nothing in a store is believed: whoever
//! reads an object takes its digest again and holds it against the name (`http/networks.rs`, `cli/ask.rs`).

#[cfg(any(feature = "s3", feature = "gcs", feature = "azure"))]
mod bucket;
mod folder;

use std::fmt;

use bytes::Bytes;
use reqwest::Url;

use folder::Folder;

/// A place for networks.
#[derive(Clone)]
pub struct Store {
    url: Url,
    place: Place,
}

#[derive(Clone)]
enum Place {
    Folder(Folder),
    #[cfg(any(feature = "s3", feature = "gcs", feature = "azure"))]
    Bucket(bucket::Bucket),
}

/// Do this with whichever place it is.
macro_rules! at {
    ($store:expr, $place:ident => $do:expr) => {
        match &$store.place {
            Place::Folder($place) => $do.await,
            #[cfg(any(feature = "s3", feature = "gcs", feature = "azure"))]
            Place::Bucket($place) => $do.await,
        }
    };
}

/// A network as it came in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Object {
    /// The JSON text.
    pub problem: Bytes,
    /// Multipart part `parameters`.
    pub parameters: Option<Bytes>,
}

/// Why a store gives no answer.
#[derive(Debug, Clone)]
pub struct Unavailable(pub String);

impl fmt::Debug for Store {
    /// Without what may be secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Store({}://{}{})", self.url.scheme(), self.url.host_str().unwrap_or_default(), self.url.path())
    }
}

impl PartialEq for Store {
    fn eq(&self, other: &Self) -> bool {
        self.url == other.url
    }
}

impl Eq for Store {}

const MAGIC: &str = "dedz-network 1";
const LONGEST_HEAD: usize = 128;
const KINDS: &str =
    "there is file:///path/to/folder, and s3://, gs:// and az:// where cargo built with --features s3, gcs, azure";

impl Store {
    /// The store at a URL. Its settings (region, credentials) come from the environment, as each kind's own tools read them.
    ///
    /// # Errors
    /// It is no URL, of a kind that is not built in, or lacks a setting.
    pub fn open(url: &str) -> Result<Self, String> {
        let parsed = Url::parse(url).map_err(|error| format!("not a URL ({error}); a folder is file:///path/to/folder"))?;
        let place = if parsed.scheme() == "file" {
            let path = parsed.to_file_path().map_err(|()| "a folder is file:///path/to/folder, without a host".to_owned())?;
            Place::Folder(Folder::new(path))
        } else {
            Self::bucket(&parsed)?
        };
        Ok(Self { url: parsed, place })
    }

    #[cfg(any(feature = "s3", feature = "gcs", feature = "azure"))]
    fn bucket(url: &Url) -> Result<Place, String> {
        bucket::Bucket::open(url).map(Place::Bucket).map_err(|error| format!("{error}; {KINDS}"))
    }

    #[cfg(not(any(feature = "s3", feature = "gcs", feature = "azure")))]
    fn bucket(url: &Url) -> Result<Place, String> {
        Err(format!("{}:// is not built in; {KINDS}", url.scheme()))
    }

    /// Write a network; one that is there is written over, and nobody ever sees a part of it.
    ///
    /// # Errors
    /// The store does not answer.
    pub async fn put(&self, name: &str, object: Object) -> Result<(), Unavailable> {
        let Object { problem, parameters } = object;
        let length = parameters.as_ref().map_or_else(|| "-".to_owned(), |parameters| parameters.len().to_string());
        let head = Bytes::from(format!("{MAGIC} {} {length}\n", problem.len()));
        let pieces = [head, problem].into_iter().chain(parameters).collect();
        at!(self, place => place.put(&key(name), pieces))
    }

    /// Read an object, if there is one of this name; one that is larger than `limit` or not made by [`Store::put`] is none.
    ///
    /// # Errors
    /// The store does not answer.
    pub async fn get(&self, name: &str, limit: usize) -> Result<Option<Object>, Unavailable> {
        // The line of lengths comes on top.
        let bytes = at!(self, place => place.get(&key(name), limit as u64 + LONGEST_HEAD as u64))?;
        Ok(bytes.and_then(|bytes| Object::cut(&bytes)))
    }

    /// Whether there is an object of this name.
    ///
    /// # Errors
    /// The store does not answer.
    pub async fn has(&self, name: &str) -> Result<bool, Unavailable> {
        at!(self, place => place.has(&key(name)))
    }

    /// Delete an object, whether it is there or not.
    ///
    /// # Errors
    /// The store does not answer.
    pub async fn delete(&self, name: &str) -> Result<(), Unavailable> {
        at!(self, place => place.delete(&key(name)))
    }
}

/// The name of an object: no colon, which some file systems refuse.
fn key(name: &str) -> String {
    name.replace(':', "-")
}

impl Object {
    /// Part the bytes of an object.
    fn cut(bytes: &Bytes) -> Option<Self> {
        let end = memchr::memchr(b'\n', bytes.get(..bytes.len().min(LONGEST_HEAD))?)?;
        let head = std::str::from_utf8(&bytes[..end]).ok()?.strip_prefix(MAGIC)?;
        let mut lengths = head.split_ascii_whitespace();
        let (problem, parameters) = (lengths.next()?.parse::<usize>().ok()?, lengths.next()?);
        let middle = (end + 1).checked_add(problem).filter(|&middle| middle <= bytes.len())?;
        let rest = bytes.slice(middle..);
        let parameters = match parameters {
            "-" => rest.is_empty().then_some(None)?,
            length => (length.parse() == Ok(rest.len())).then_some(Some(rest))?,
        };
        Some(Self { problem: bytes.slice(end + 1..middle), parameters })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_are_cut_by_their_lengths_or_not_at_all() {
        let cut = |text: &'static str| Object::cut(&Bytes::from_static(text.as_bytes()));
        let object = |problem: &'static str, parameters: Option<&'static str>| {
            Some(Object { problem: problem.into(), parameters: parameters.map(Into::into) })
        };
        assert_eq!(cut("dedz-network 1 2 -\n{}"), object("{}", None));
        assert_eq!(cut("dedz-network 1 2 3\n{}abc"), object("{}", Some("abc")));
        assert_eq!(cut("dedz-network 1 2 0\n{}"), object("{}", Some("")));
        for broken in [
            "",
            "\n",
            "dedz-network 1",
            "dedz-network 2 2 -\n{}",
            "dedz-network 1 3 -\n{}",
            "dedz-network 1 2 -\n{}x",
            "dedz-network 1 2 4\n{}abc",
            "dedz-network 1 18446744073709551615 -\n{}",
            "dedz-network 1 2\n{}",
            "{\"network\":{}}",
        ] {
            assert_eq!(cut(broken), None, "{broken:?}");
        }
    }

    #[test]
    fn what_is_no_store_is_refused_with_a_reason() {
        for (url, told) in [("folder", "not a URL"), ("ftp://127.0.0.1/x", "file:///path"), ("file://host/x", "without a host")] {
            let error = Store::open(url).expect_err(url);
            assert!(error.contains(told), "{url}: {error}");
        }
        assert_eq!(format!("{:?}", Store::open("file:///tmp/x").expect("a folder")), "Store(file:///tmp/x)");
    }
}
