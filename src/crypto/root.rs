//! The root: the one secret outside the database, on which everything hangs.
//!
//! The file provider is the only one so far. It keeps 32 bytes in base64 in a file that nobody else
//! may read, in a folder that nobody else may enter, and never leaves the process.

use std::fs;
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use super::CryptoError;
use super::kdf::subkey;
use super::sealed::{self, Context};
use super::secret::{Secret, assert_not_impl};
use crate::env::Entropy;

const LEN: usize = 32;
/// Far more than a root takes; whatever is longer is some other file.
const MAX_FILE_LEN: u64 = 1024;

/// A root, ready to seal and open the keys right under it.
pub struct Root {
    id: String,
    provider: Provider,
}

assert_not_impl!(Root: std::fmt::Debug, Clone);

/// Who does the sealing. A root in an HSM or behind a network would be another variant.
enum Provider {
    /// The root's bytes were here; its two labelled keys are kept, it is not.
    Local { seal: Secret, check: Secret },
}

/// Why a root cannot be had, in a sentence for the operator.
#[derive(Debug, thiserror::Error)]
pub enum RootError {
    /// The file cannot be read.
    #[error("the root file {path} cannot be read: {source}")]
    Unreadable {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Something else stands where the file should be.
    #[error("the root file {path} is not a regular file")]
    NotAFile {
        /// Which path.
        path: PathBuf,
    },
    /// Others may read the file or enter its folder.
    #[error("{path} is open to others (mode {mode:04o}); run: chmod {wanted:04o} {path}")]
    Exposed {
        /// The file or its folder.
        path: PathBuf,
        /// The permissions it has.
        mode: u32,
        /// The permissions it should have.
        wanted: u32,
    },
    /// The content is not a root.
    #[error("the root file {path} does not hold 32 bytes in base64; put the right copy there")]
    Malformed {
        /// Which file.
        path: PathBuf,
    },
}

impl Root {
    /// Makes a new root and the file that holds it.
    ///
    /// The file gets mode 0600 whatever the umask; a missing folder is made with mode 0700, an
    /// existing one must have it (I-53). An existing file is never overwritten (I-44). File and
    /// folder are synced, so that nothing is sealed under a root that a power cut takes away.
    pub fn create_file(path: &Path, entropy: &dyn Entropy) -> io::Result<Self> {
        let folder = folder_of(path);
        if !folder.exists() {
            fs::DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(folder)?;
            fs::set_permissions(folder, fs::Permissions::from_mode(0o700))?;
            fs::File::open(folder_of(folder))?.sync_all()?;
        }
        check_private(folder, &fs::metadata(folder)?, 0o700)
            .map_err(|error| io::Error::new(io::ErrorKind::PermissionDenied, error))?;

        let secret = Secret::random(entropy, LEN);
        let mut text = Zeroizing::new(String::with_capacity(64));
        STANDARD.encode_string(secret.expose(), &mut text);
        text.push('\n');
        let mut file = fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(path)?;
        let written = file
            .set_permissions(fs::Permissions::from_mode(0o600))
            .and_then(|()| file.write_all(text.as_bytes()))
            .and_then(|()| file.sync_all())
            .and_then(|()| fs::File::open(folder)?.sync_all());
        if let Err(error) = written {
            // It is ours, and nothing has been sealed under it.
            let _ = fs::remove_file(path);
            return Err(error);
        }
        Ok(Self::from_secret(secret))
    }

    /// Reads a root from its file.
    pub fn open_file(path: &Path) -> Result<Self, RootError> {
        let unreadable = |source| RootError::Unreadable {
            path: path.to_owned(),
            source,
        };
        let folder = folder_of(path);
        check_private(folder, &fs::metadata(folder).map_err(unreadable)?, 0o700)?;
        let mut file = fs::File::open(path).map_err(unreadable)?;
        let metadata = file.metadata().map_err(unreadable)?;
        if !metadata.is_file() {
            return Err(RootError::NotAFile {
                path: path.to_owned(),
            });
        }
        check_private(path, &metadata, 0o600)?;

        // Room for all of it at once: growing would leave copies behind.
        let mut text = Zeroizing::new(Vec::with_capacity(MAX_FILE_LEN as usize + 1));
        Read::by_ref(&mut file)
            .take(MAX_FILE_LEN)
            .read_to_end(&mut text)
            .map_err(unreadable)?;
        let malformed = || RootError::Malformed {
            path: path.to_owned(),
        };
        let secret = STANDARD
            .decode(text.trim_ascii_end())
            .map_err(|_| malformed())?;
        let secret = Secret::new(secret);
        if secret.expose().len() != LEN {
            return Err(malformed());
        }
        Ok(Self::from_secret(secret))
    }

    /// A root from 32 bytes that came some other way: for development and tests.
    pub fn from_secret(root: Secret) -> Self {
        let id = subkey(&root, "kmsd/root/id", b"");
        Self {
            id: hex::encode(id.expose()).chars().take(16).collect(),
            provider: Provider::Local {
                seal: subkey(&root, "kmsd/root/seal", b""),
                check: subkey(&root, "kmsd/root/check", b""),
            },
        }
    }

    /// Which root this is: 16 hexadecimal digits that say nothing about its bytes. It is stored
    /// beside everything the root has sealed.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Seals a key for `context` only; see [`sealed::seal`].
    pub fn seal(&self, plaintext: &[u8], context: &Context, entropy: &dyn Entropy) -> Vec<u8> {
        match &self.provider {
            Provider::Local { seal, .. } => sealed::seal(seal, context, plaintext, entropy),
        }
    }

    /// Opens what [`Self::seal`] made for the same context; see [`sealed::open`].
    pub fn open(&self, blob: &[u8], context: &Context) -> Result<Secret, CryptoError> {
        match &self.provider {
            Provider::Local { seal, .. } => sealed::open(seal, context, blob),
        }
    }

    /// A value to store at the first start and to compare at every later one, so that the wrong
    /// root is noticed before anything is written (I-44).
    pub fn check_value(&self, deployment_id: &str) -> [u8; 32] {
        match &self.provider {
            Provider::Local { check, .. } => {
                super::hash::hmac_sha256(check.expose(), &[deployment_id.as_bytes()])
            }
        }
    }
}

fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    }
}

fn check_private(path: &Path, metadata: &fs::Metadata, wanted: u32) -> Result<(), RootError> {
    let mode = metadata.permissions().mode() & 0o7777;
    if mode & 0o077 == 0 {
        return Ok(());
    }
    Err(RootError::Exposed {
        path: path.to_owned(),
        mode,
        wanted,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::testing::{Seeded, every_bit_flipped};

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    fn chmod(path: &Path, mode: u32) {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }

    /// A throw-away folder with the permissions that a root's folder must have.
    fn private_folder() -> tempfile::TempDir {
        let temp = tempfile::tempdir().unwrap();
        chmod(temp.path(), 0o700);
        temp
    }

    #[test]
    fn a_new_file_is_private_and_opens() {
        let temp = private_folder();
        let path = temp.path().join("data/root");
        let made = Root::create_file(&path, &Seeded::new(20)).unwrap();
        assert_eq!(mode(&path), 0o600);
        assert_eq!(mode(path.parent().unwrap()), 0o700);
        assert_eq!(fs::read_to_string(&path).unwrap().len(), 45);
        let opened = Root::open_file(&path).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(opened.id(), made.id());
        assert_eq!(opened.check_value("d"), made.check_value("d"));
    }

    #[test]
    fn an_existing_file_is_kept() {
        let temp = private_folder();
        let path = temp.path().join("root");
        Root::create_file(&path, &Seeded::new(21)).unwrap();
        let before = fs::read(&path).unwrap();
        let error = Root::create_file(&path, &Seeded::new(22)).err().unwrap();
        assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(fs::read(&path).unwrap(), before);
    }

    #[test]
    fn what_others_may_read_is_refused() {
        let temp = private_folder();
        let path = temp.path().join("root");
        Root::create_file(&path, &Seeded::new(23)).unwrap();
        chmod(&path, 0o640);
        let said = Root::open_file(&path).err().unwrap().to_string();
        assert_eq!(
            said,
            format!(
                "{0} is open to others (mode 0640); run: chmod 0600 {0}",
                path.display()
            )
        );
        chmod(&path, 0o400);
        assert!(Root::open_file(&path).is_ok());
        chmod(temp.path(), 0o701);
        assert!(matches!(
            Root::open_file(&path),
            Err(RootError::Exposed { wanted: 0o700, .. })
        ));
        let other = temp.path().join("other");
        let error = Root::create_file(&other, &Seeded::new(24)).err().unwrap();
        assert_eq!(error.kind(), io::ErrorKind::PermissionDenied);
        assert!(!other.exists());
        chmod(temp.path(), 0o700);
    }

    #[test]
    fn what_is_not_a_root_is_refused() {
        let temp = private_folder();
        let path = temp.path().join("root");
        assert!(matches!(
            Root::open_file(&path),
            Err(RootError::Unreadable { .. })
        ));
        fs::create_dir(temp.path().join("folder")).unwrap();
        let opened = Root::open_file(&temp.path().join("folder"));
        assert!(matches!(opened, Err(RootError::NotAFile { .. })));
        let short = STANDARD.encode([1; 31]);
        let long = STANDARD.encode([1; 33]);
        let endless = "A".repeat(5000);
        for content in ["", "\n", "not base64!", &short, &long, &endless] {
            fs::write(&path, content).unwrap();
            chmod(&path, 0o600);
            assert!(matches!(
                Root::open_file(&path),
                Err(RootError::Malformed { .. })
            ));
        }
        for ending in ["", "\n", "\r\n"] {
            fs::write(&path, STANDARD.encode([1; 32]) + ending).unwrap();
            assert!(Root::open_file(&path).is_ok());
        }
    }

    #[test]
    fn another_root_is_noticed() {
        let one = Root::from_secret(Secret::from_slice(&[1; 32]));
        let two = Root::from_secret(Secret::from_slice(&[2; 32]));
        assert_ne!(one.id(), two.id());
        assert_eq!(one.id().len(), 16);
        assert_ne!(one.check_value("d1"), two.check_value("d1"));
        assert_ne!(one.check_value("d1"), one.check_value("d2"));
    }

    #[test]
    fn it_opens_what_it_sealed_and_nothing_else() {
        let root = Root::from_secret(Secret::from_slice(&[1; 32]));
        let context = || Context::new("test").with("project", "p1");
        let sealed = root.seal(b"key", &context(), &Seeded::new(25));
        assert_eq!(
            root.open(&sealed, &context()).ok().unwrap().expose(),
            b"key"
        );
        assert!(
            root.open(&sealed, &Context::new("test").with("project", "p2"))
                .is_err()
        );
        let other = Root::from_secret(Secret::from_slice(&[2; 32]));
        assert!(other.open(&sealed, &context()).is_err());
        every_bit_flipped(&sealed, |changed| {
            assert!(root.open(changed, &context()).is_err())
        });
    }
}
