//! A remote store: blobs and manifests by digest in a bucket or another folder, under the names that they have in a store.
//!
//! It is a place for bytes and knows nothing else: which artifact is the result of which key is the ledger's to say. An object is written
//! once and whole, or not at all, and what is fetched is held against its name before it gets one here; so any number of machines may read
//! and write one remote without knowing of each other.

use std::{
    fs::File,
    future::Future,
    io::{Read, Write},
    path::{Path, PathBuf},
    sync::{Arc, OnceLock, mpsc},
    time::Duration,
};

use blake3::Hasher;
use futures_util::StreamExt;
use isoflop_contract::{Digest, manifest};
use object_store::{
    Error, ObjectStore, ObjectStoreExt, PutPayload, RetryConfig, WriteMultipart, aws::AmazonS3Builder,
    azure::MicrosoftAzureBuilder, gcp::GoogleCloudStorageBuilder, local::LocalFileSystem, path::Path as Name,
};
use tokio::runtime::{Builder, Runtime};

use crate::{disk, error::StoreError};

/// What is larger is sent in parts of this many bytes.
const PART: usize = 8 << 20;

/// How many parts are under way at a time.
const PARTS: usize = 4;

/// How long a request that fails is tried again.
const PATIENCE: Duration = Duration::from_secs(45);

/// A store elsewhere. Opening one reaches nobody: that waits for the first question.
#[derive(Debug)]
pub struct Remote {
    url: String,
    scheme: Scheme,
    /// What the names of all objects begin with.
    prefix: String,
    reached: OnceLock<Result<Reached, String>>,
}

/// What came of fetching a blob.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fetched {
    /// It is here.
    Whole,
    /// The remote does not have it.
    Absent,
    /// What the remote has under its name are other bytes.
    Corrupt,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Scheme {
    Folder,
    S3,
    Google,
    Azure,
}

/// The client, and the threads its requests run on: the engine calls from threads of all sorts.
#[derive(Debug)]
struct Reached {
    objects: Arc<dyn ObjectStore>,
    runtime: Option<Runtime>,
}

impl Drop for Reached {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background(); // waiting for it is not allowed on every thread
        }
    }
}

impl Remote {
    /// The remote store at `url`: `s3://bucket/prefix`, `gs://bucket/prefix`, `az://container/prefix`, `file:///folder` or the absolute path of
    /// a folder. Credentials, regions and endpoints come from the environment variables that the services' own tools read. Fails with one
    /// sentence if the URL is none of these.
    pub fn new(url: &str) -> Result<Self, String> {
        let (scheme, rest) = match url.split_once("://") {
            None if Path::new(url).is_absolute() => (Scheme::Folder, url),
            Some(("file", path)) if Path::new(path).is_absolute() => (Scheme::Folder, path),
            Some(("s3", rest)) => (Scheme::S3, rest),
            Some(("gs", rest)) => (Scheme::Google, rest),
            Some(("az", rest)) => (Scheme::Azure, rest),
            _ => {
                return Err(format!(
                    "`{url}` is no remote store; write s3://bucket/prefix, gs://bucket/prefix, az://container/prefix, or the absolute path of a folder"
                ));
            }
        };
        let (bucket, prefix) =
            if scheme == Scheme::Folder { (rest, "") } else { rest.split_once('/').unwrap_or((rest, "")) };
        if bucket.is_empty() {
            return Err(format!("`{url}` names no bucket"));
        }
        if bucket.contains('@') {
            return Err("a remote store is named without credentials; those come from the environment".to_owned());
        }
        Ok(Self { url: url.to_owned(), scheme, prefix: prefix.trim_matches('/').to_owned(), reached: OnceLock::new() })
    }

    /// Where it is.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Whether it can be reached: asks it for something that nobody has.
    pub fn probe(&self) -> Result<(), StoreError> {
        self.size("blobs", &Digest::of(b"probe")).map(drop)
    }

    /// Whether it has a blob, with the right size.
    pub(crate) fn has(&self, blob: &manifest::File) -> Result<bool, StoreError> {
        Ok(self.size("blobs", &blob.digest)?.is_some_and(|size| size == blob.size))
    }

    /// Whether it has the manifest of an artifact, which is sent after all that it names.
    pub(crate) fn has_manifest(&self, artifact: &Digest) -> Result<bool, StoreError> {
        Ok(self.size("manifests", artifact)?.is_some())
    }

    /// Fetches a blob into a new, sealed file at `to`.
    pub(crate) fn fetch(&self, blob: &manifest::File, to: &Path) -> Result<Fetched, StoreError> {
        let reached = self.reach()?;
        let (objects, name) = (Arc::clone(&reached.objects), self.name("blobs", &blob.digest));
        let path = to.to_owned();
        let taken = reached.wait(async move { take(&*objects, &name, &path).await });
        let doing = || format!("give blob {}", blob.digest.short());
        match taken.map_err(|why| self.failed(doing(), why))? {
            Taken::Whole(digest) if digest == blob.digest => Ok(Fetched::Whole),
            Taken::Whole(_) => Ok(Fetched::Corrupt),
            Taken::Absent => Ok(Fetched::Absent),
            Taken::Broken(why) => Err(self.failed(doing(), why)),
            Taken::Unwritten(error) => Err(error),
        }
    }

    /// Sends the file at `path` as a blob, unless its bytes turn out to be others.
    pub(crate) fn send(&self, blob: &manifest::File, path: &Path) -> Result<(), StoreError> {
        let reached = self.reach()?;
        let (objects, name) = (Arc::clone(&reached.objects), self.name("blobs", &blob.digest));
        let (path, blob, doing) = (path.to_owned(), *blob, format!("take blob {}", blob.digest.short()));
        let sent = reached.wait(async move { give(&*objects, &name, &path, blob).await });
        sent.and_then(|sent| sent).map_err(|why| self.failed(doing, why))
    }

    /// Sends a manifest.
    pub(crate) fn send_manifest(&self, artifact: &Digest, text: &str) -> Result<(), StoreError> {
        let reached = self.reach()?;
        let (objects, name) = (Arc::clone(&reached.objects), self.name("manifests", artifact));
        let payload = PutPayload::from(text.to_owned());
        let sent = reached.wait(async move { objects.put(&name, payload).await.map_err(|error| error.to_string()) });
        sent.and_then(|sent| sent.map(drop))
            .map_err(|why| self.failed(format!("take the manifest of artifact {}", artifact.short()), why))
    }

    /// How large an object is, if it is there.
    fn size(&self, kind: &str, digest: &Digest) -> Result<Option<u64>, StoreError> {
        let reached = self.reach()?;
        let (objects, name) = (Arc::clone(&reached.objects), self.name(kind, digest));
        let found = reached.wait(async move {
            match objects.head(&name).await {
                Ok(meta) => Ok(Some(meta.size)),
                Err(Error::NotFound { .. }) => Ok(None),
                Err(error) => Err(error.to_string()),
            }
        });
        found.and_then(|found| found).map_err(|why| self.failed(format!("say whether it has {}", digest.short()), why))
    }

    fn reach(&self) -> Result<&Reached, StoreError> {
        let reached = self.reached.get_or_init(|| {
            let objects = self.client().map_err(|error| error.to_string())?;
            let mut threads = Builder::new_multi_thread();
            let runtime = threads.worker_threads(2).thread_name("remote").enable_all().build();
            Ok(Reached { objects, runtime: Some(runtime.map_err(|error| error.to_string())?) })
        });
        reached.as_ref().map_err(|why| self.failed("be opened".to_owned(), why.clone()))
    }

    fn client(&self) -> Result<Arc<dyn ObjectStore>, Error> {
        let retry = RetryConfig { max_retries: 8, retry_timeout: PATIENCE, ..RetryConfig::default() };
        let url = &self.url;
        Ok(match self.scheme {
            Scheme::Folder => {
                let folder = PathBuf::from(url.strip_prefix("file://").unwrap_or(url));
                let made = std::fs::create_dir_all(&folder);
                made.map_err(|source| Error::Generic { store: "folder", source: Box::new(source) })?;
                Arc::new(LocalFileSystem::new_with_prefix(folder)?.with_fsync(true))
            }
            Scheme::S3 => Arc::new(AmazonS3Builder::from_env().with_url(url).with_retry(retry).build()?),
            Scheme::Google => Arc::new(GoogleCloudStorageBuilder::from_env().with_url(url).with_retry(retry).build()?),
            Scheme::Azure => Arc::new(MicrosoftAzureBuilder::from_env().with_url(url).with_retry(retry).build()?),
        })
    }

    fn name(&self, kind: &str, digest: &Digest) -> Name {
        let digest = digest.to_string();
        let parts = self.prefix.split('/').filter(|part| !part.is_empty()).chain([kind, &digest[..2], &digest]);
        parts.collect()
    }

    fn failed(&self, doing: String, why: String) -> StoreError {
        StoreError::Remote { url: self.url.clone(), doing, why }
    }
}

impl Reached {
    /// Waits for a request, on whatever thread this is.
    fn wait<T: Send + 'static>(&self, request: impl Future<Output = T> + Send + 'static) -> Result<T, String> {
        let (tell, told) = mpsc::sync_channel(1);
        let runtime = self.runtime.as_ref().ok_or("it is being closed")?;
        runtime.spawn(async move {
            let _ = tell.send(request.await);
        });
        told.recv().map_err(|_| "its client broke down".to_owned())
    }
}

/// What came of fetching an object.
enum Taken {
    Absent,
    /// All of it, and the digest of its bytes.
    Whole(Digest),
    /// The remote broke off.
    Broken(String),
    /// The file could not be written.
    Unwritten(StoreError),
}

async fn take(objects: &dyn ObjectStore, name: &Name, to: &Path) -> Taken {
    let found = match objects.get(name).await {
        Ok(found) => found,
        Err(Error::NotFound { .. }) => return Taken::Absent,
        Err(error) => return Taken::Broken(error.to_string()),
    };
    let size = found.meta.size;
    let mut file = match File::create_new(to) {
        Ok(file) => file,
        Err(error) => return Taken::Unwritten(disk::refused(to, "create", size, error)),
    };
    let (mut parts, mut hasher) = (found.into_stream(), Hasher::new());
    while let Some(part) = parts.next().await {
        let part = match part {
            Ok(part) => part,
            Err(error) => return Taken::Broken(error.to_string()),
        };
        hasher.update(&part);
        if let Err(error) = file.write_all(&part) {
            return Taken::Unwritten(disk::refused(to, "write", size, error));
        }
    }
    match disk::seal(&file, to) {
        Ok(()) => Taken::Whole(Digest::from_bytes(hasher.finalize().into())),
        Err(error) => Taken::Unwritten(error),
    }
}

async fn give(objects: &dyn ObjectStore, name: &Name, path: &Path, blob: manifest::File) -> Result<(), String> {
    let mut file = File::open(path).map_err(|error| format!("{}: {error}", path.display()))?;
    let mut part = |hasher: &mut Hasher| {
        let mut bytes = Vec::with_capacity(PART.min(blob.size as usize + 1));
        (&mut file)
            .take(PART as u64)
            .read_to_end(&mut bytes)
            .map_err(|error| format!("{}: {error}", path.display()))?;
        hasher.update(&bytes);
        Ok::<_, String>(bytes)
    };
    let others = || format!("{} does not hold what its name says; `isoflop doctor` looks closer", path.display());
    let is_sound = |hasher: &Hasher| Digest::from_bytes(hasher.finalize().into()) == blob.digest;
    let mut hasher = Hasher::new();
    if blob.size <= PART as u64 {
        let bytes = part(&mut hasher)?;
        if bytes.len() as u64 != blob.size || !is_sound(&hasher) {
            return Err(others());
        }
        return objects.put(name, PutPayload::from(bytes)).await.map(drop).map_err(|error| error.to_string());
    }
    let upload = objects.put_multipart(name).await.map_err(|error| error.to_string())?;
    let mut upload = WriteMultipart::new_with_chunk_size(upload, PART);
    loop {
        let bytes = match part(&mut hasher) {
            Ok(bytes) if bytes.is_empty() => break,
            Ok(bytes) => bytes,
            Err(why) => {
                let _ = upload.abort().await;
                return Err(why);
            }
        };
        if let Err(error) = upload.wait_for_capacity(PARTS).await {
            let _ = upload.abort().await;
            return Err(error.to_string());
        }
        upload.put(bytes.into());
    }
    if !is_sound(&hasher) {
        let _ = upload.abort().await;
        return Err(others());
    }
    upload.finish().await.map(drop).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_remote_is_named_by_a_url_without_secrets() {
        for (url, scheme, prefix) in [
            ("s3://bucket", Scheme::S3, ""),
            ("s3://bucket/a/b/", Scheme::S3, "a/b"),
            ("gs://bucket/a", Scheme::Google, "a"),
            ("az://container/a", Scheme::Azure, "a"),
            ("file:///mnt/cache", Scheme::Folder, ""),
            ("/mnt/cache", Scheme::Folder, ""),
        ] {
            let remote = Remote::new(url).unwrap();
            assert_eq!((remote.scheme, remote.prefix.as_str(), remote.url()), (scheme, prefix, url));
        }
        for (url, said) in [
            ("bucket/a", "`bucket/a` is no remote store; write s3://"),
            ("ftp://host/a", "`ftp://host/a` is no remote store"),
            ("s3:///a", "`s3:///a` names no bucket"),
            ("s3://key:secret@bucket/a", "a remote store is named without credentials"),
        ] {
            let error = Remote::new(url).unwrap_err();
            assert!(error.starts_with(said), "{error}");
        }
        let name = Remote::new("s3://bucket/a/b").unwrap().name("blobs", &Digest::of(b"x")).to_string();
        let digest = Digest::of(b"x").to_string();
        assert_eq!(name, format!("a/b/blobs/{}/{digest}", &digest[..2]));
    }
}
