//! Files of a study: recorded like artifacts, under the digests that recipes name, so that a recipe can be followed to every file it was
//! carried out with.

use std::collections::BTreeMap;

use isoflop_contract::{Digest, Manifest};

use crate::{error::LedgerError, id::RunId, ledger::Ledger, result};

impl Ledger {
    /// Records a set of files, if it is new; its manifest is found again by [`artifact`](Self::artifact).
    pub async fn record_files(&self, run: RunId, digest: Digest, manifest: &Manifest) -> Result<(), LedgerError> {
        let text = &result::manifest_text(digest, manifest)?;
        self.with("record files of the study", |pool| async move {
            let mut connection = pool.acquire().await?;
            let new = BTreeMap::from([(digest, (run, manifest, text.as_str()))]);
            result::record_artifacts(&mut connection, &new).await
        })
        .await
    }
}
