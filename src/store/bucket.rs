//! A store in a bucket, by way of the crate `object_store`.

use std::sync::Arc;

use bytes::Bytes;
use object_store::path::Path;
use object_store::{Error, ObjectStore, ObjectStoreExt, PutPayload, parse_url_opts};
use reqwest::Url;

use super::Unavailable;

/// A bucket, or what begins with a prefix in it.
#[derive(Debug, Clone)]
pub(super) struct Bucket {
    objects: Arc<dyn ObjectStore>,
    below: Path,
}

impl Bucket {
    /// Its settings (region, credentials) come from the environment, under the names that each kind's own tools read.
    pub(super) fn open(url: &Url) -> Result<Self, Error> {
        let text =
            |(name, value): (std::ffi::OsString, std::ffi::OsString)| Some((name.into_string().ok()?, value.into_string().ok()?));
        let (objects, below) = parse_url_opts(url, std::env::vars_os().filter_map(text))?;
        Ok(Self { objects: objects.into(), below })
    }

    fn path(&self, key: &str) -> Path {
        self.below.clone().join(key)
    }

    pub(super) async fn put(&self, key: &str, pieces: Vec<Bytes>) -> Result<(), Unavailable> {
        self.objects.put(&self.path(key), PutPayload::from_iter(pieces)).await?;
        Ok(())
    }

    pub(super) async fn get(&self, key: &str, limit: u64) -> Result<Option<Bytes>, Unavailable> {
        match self.objects.get(&self.path(key)).await {
            Err(Error::NotFound { .. }) => Ok(None),
            Ok(found) if found.meta.size > limit => Ok(None),
            found => Ok(Some(found?.bytes().await?)),
        }
    }

    pub(super) async fn has(&self, key: &str) -> Result<bool, Unavailable> {
        match self.objects.head(&self.path(key)).await {
            Err(Error::NotFound { .. }) => Ok(false),
            found => Ok(found.map(|_| true)?),
        }
    }

    pub(super) async fn delete(&self, key: &str) -> Result<(), Unavailable> {
        match self.objects.delete(&self.path(key)).await {
            Err(Error::NotFound { .. }) => Ok(()),
            done => Ok(done?),
        }
    }
}

impl From<Error> for Unavailable {
    fn from(error: Error) -> Self {
        Self(error.to_string())
    }
}
