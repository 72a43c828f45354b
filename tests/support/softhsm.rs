// Tokens of SoftHSM2, which is a PKCS#11 module in software. The unit tests include this file too.
//
// The library reads SOFTHSM2_CONF (set in .cargo/config.toml) once for each process, so all tokens
// lie in target/softhsm; each test has its own, known by its label.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use cryptoki::context::{CInitializeArgs, CInitializeFlags, Pkcs11};
use cryptoki::session::UserType;
use cryptoki::slot::Slot;
use cryptoki::types::AuthPin;

/// The PIN of every token here.
pub const PIN: &str = "1234-not-a-secret";

/// Where Debian, Fedora and Homebrew put it.
const PLACES: &[&str] = &[
    "/usr/lib/softhsm/libsofthsm2.so",
    "/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so",
    "/usr/lib/aarch64-linux-gnu/softhsm/libsofthsm2.so",
    "/usr/lib64/pkcs11/libsofthsm2.so",
    "/usr/local/lib/softhsm/libsofthsm2.so",
    "/opt/homebrew/lib/softhsm/libsofthsm2.so",
];

/// The library.
pub fn library() -> PathBuf {
    let found = PLACES.iter().map(Path::new).find(|path| path.exists());
    found
        .expect("SoftHSM2 is missing; scripts/test installs it, or: apt-get install softhsm2")
        .to_owned()
}

/// A token of its own.
pub struct Token {
    label: String,
    module: Pkcs11,
    slot: Slot,
}

impl Token {
    /// A new token with [`PIN`].
    pub fn new() -> Self {
        // One at a time, for each takes the one slot that is free.
        static TURN: Mutex<Option<Pkcs11>> = Mutex::new(None);
        let mut turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        let tokens = Path::new("target/softhsm");
        let module = turn.get_or_insert_with(|| {
            std::fs::create_dir_all(tokens).unwrap();
            forget_old(tokens);
            let module = Pkcs11::new(library()).unwrap();
            // kmsd may have been first.
            let _ = module.initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK));
            module
        });
        // Runs leave their tokens behind for a while, so the name is that of a new folder.
        let folder = tempfile::tempdir().unwrap();
        let name = folder.path().file_name().unwrap().display();
        let label = format!("{}{name}", std::process::id());
        let slots = module.get_slots_with_token().unwrap();
        let slot = slots
            .into_iter()
            .find(|slot| !module.get_token_info(*slot).unwrap().token_initialized())
            .expect("SoftHSM2 always offers one more slot");
        let pin = AuthPin::from(PIN.to_owned());
        module.init_token(slot, &pin, &label).unwrap();
        let session = module.open_rw_session(slot).unwrap();
        session.login(UserType::So, Some(&pin)).unwrap();
        session.init_pin(&pin).unwrap();
        session.logout().unwrap();
        let module = module.clone();
        Self {
            label,
            module,
            slot,
        }
    }

    /// Ends every log-in of this process, as a token does that was pulled out: sessions that were
    /// kept find nothing any more.
    pub fn log_everybody_out(&self) {
        let session = self.module.open_rw_session(self.slot).unwrap();
        let _ = session.logout();
    }

    /// How many objects it holds. Somebody must be logged in.
    pub fn count_objects(&self) -> usize {
        let session = self.module.open_rw_session(self.slot).unwrap();
        session.find_objects(&[]).unwrap().len()
    }

    /// The settings of a cluster that is this token: what stands in `[[hsm_clusters]]`.
    pub fn settings(&self, id: &str, pin_file: &Path) -> serde_json::Value {
        serde_json::json!({
            "id": id,
            "module": library(),
            "token_label": self.label,
            "pin_file": pin_file,
        })
    }
}

fn folders(tokens: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(tokens).unwrap();
    entries.map(|entry| entry.unwrap().path()).collect()
}

/// What earlier runs left: each look of the library at its tokens takes all of them.
fn forget_old(tokens: &Path) {
    for folder in folders(tokens) {
        let touched = std::fs::metadata(&folder).and_then(|data| data.modified());
        let is_old = touched
            .ok()
            .and_then(|touched| touched.elapsed().ok())
            .is_some_and(|age| age > Duration::from_secs(3600));
        if is_old {
            let _ = std::fs::remove_dir_all(&folder);
        }
    }
}
