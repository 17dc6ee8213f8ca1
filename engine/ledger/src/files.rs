//! Files of a study: recorded like artifacts, under the digests that recipes name, so that a recipe can be followed to every file it was
//! carried out with.

use isoflop_contract::{Digest, Manifest};

use crate::{error::LedgerError, finish::record_artifact, id::RunId, ledger::Ledger};

impl Ledger {
    /// Records a set of files, if it is new; its manifest is found again by [`artifact`](Self::artifact).
    pub async fn record_files(&self, run: RunId, digest: Digest, manifest: &Manifest) -> Result<(), LedgerError> {
        self.with("record files of the study", |pool| async move {
            let mut connection = pool.acquire().await?;
            record_artifact(&mut connection, run, digest, manifest).await
        })
        .await
    }
}
