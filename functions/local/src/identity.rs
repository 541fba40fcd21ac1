//! What an installation on this machine is, over restarts: its id, its cluster's identity and its secrets.

use std::fs;
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

use base64::Engine;
use gateway::Entropy;
use serde::{Deserialize, Serialize};

use crate::Error;

/// Made at the first start, and kept in the data folder where there is one.
#[derive(Clone, Serialize, Deserialize)]
pub struct Identity {
    /// The installation's id.
    pub installation: String,
    /// From which the embedded cluster's uids are made.
    pub cluster: String,
    /// The key of the keyring, 32 bytes in base64.
    pub keyring: String,
    /// The admin API key.
    pub admin_key: String,
    /// The API key with the scope `apps`.
    pub apps_key: String,
    /// The API key with the scope `leases`. Folders of before it have none.
    #[serde(default)]
    pub leases_key: String,
    /// The API key with the scope `envs`. Folders of before it have none.
    #[serde(default)]
    pub envs_key: String,
    /// The token of the embedded cluster's API.
    pub cluster_token: String,
    /// The token of the embedded route proxy's API.
    pub proxy_token: String,
}

impl Identity {
    /// A new one.
    ///
    /// # Errors
    /// When the operating system has no random numbers to give.
    pub fn make(entropy: &Entropy) -> Result<Self, Error> {
        let word = || random::<16>(entropy).map(hex::encode);
        let installation = format!("local-{}", hex::encode(random::<4>(entropy)?));
        let keyring = base64::engine::general_purpose::STANDARD.encode(random::<32>(entropy)?);
        Ok(Self {
            installation,
            cluster: word()?,
            keyring,
            admin_key: word()?,
            apps_key: word()?,
            leases_key: word()?,
            envs_key: word()?,
            cluster_token: word()?,
            proxy_token: word()?,
        })
    }

    /// The one kept in `folder`, made there where there is none. The file can be read by its owner only.
    ///
    /// # Errors
    /// When the folder or the file cannot be made, read or understood.
    pub fn kept_in(folder: &Path, entropy: &Entropy) -> Result<Self, Error> {
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)
            .map_err(|error| Error::file(folder, error))?;
        let file = folder.join("identity.json");
        match fs::read(&file) {
            Ok(text) => {
                let mut identity: Self = serde_json::from_slice(&text).map_err(|error| {
                    Error::Sentence(format!(
                        "{}: is damaged ({error}). Remove the folder to begin anew",
                        file.display()
                    ))
                })?;
                let later = Self::make(entropy)?;
                let mut is_older = false;
                for (key, made) in [
                    (&mut identity.leases_key, later.leases_key),
                    (&mut identity.envs_key, later.envs_key),
                ] {
                    if key.is_empty() {
                        (*key, is_older) = (made, true);
                    }
                }
                if is_older {
                    identity.keep(&file)?;
                }
                Ok(identity)
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                let identity = Self::make(entropy)?;
                identity.keep(&file)?;
                Ok(identity)
            }
            Err(error) => Err(Error::file(&file, error)),
        }
    }

    fn keep(&self, file: &Path) -> Result<(), Error> {
        write_private(file, &serde_json::to_vec_pretty(self).unwrap_or_default())
    }
}

/// Writes `file` whole or not at all, for its owner only.
pub(crate) fn write_private(file: &Path, text: &[u8]) -> Result<(), Error> {
    let beside = file.with_extension("new");
    let written = fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&beside)
        .and_then(|mut open| open.write_all(text).and_then(|()| open.sync_all()))
        .and_then(|()| fs::rename(&beside, file));
    written.map_err(|error| Error::file(file, error))
}

fn random<const N: usize>(entropy: &Entropy) -> Result<[u8; N], Error> {
    entropy
        .bytes()
        .ok_or_else(|| Error::Sentence("the operating system gives no random numbers".into()))
}
